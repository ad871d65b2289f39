import { GivenOptions } from '../options.js';

/** Options of `SseRunsModule`: times in milliseconds, sizes in bytes. */
export interface SseRunsOptions {
  /**
   * How long a run can be read after its end, unless `start` says less; as long as it is live it is kept anyway.
   *
   * @defaultValue 3_600_000
   */
  readonly keepFor?: number | undefined;
  /**
   * Within this time the runs of a process that is gone end as `lost`.
   *
   * @defaultValue 15_000
   */
  readonly lease?: number | undefined;
  /**
   * Bytes of a run's data, types and keys, unless `start` says otherwise; with more it ends as `failed`.
   *
   * @defaultValue 4_194_304
   */
  readonly maxBytes?: number | undefined;
  /**
   * Runs that are live or can still be read; `start` refuses one more. With `maxBytes` it bounds what all of them take.
   *
   * @defaultValue 10_000
   */
  readonly maxRuns?: number | undefined;
  /**
   * How a client is answered that asks for a run which nobody knows, or no longer: 204, which keeps an EventSource away
   * for good, or 404.
   *
   * @defaultValue 204
   */
  readonly unknown?: 204 | 404 | undefined;
  /**
   * How long a source has to finish when its run is stopped: what it emits within that time still counts.
   *
   * @defaultValue 1_000
   */
  readonly stopTimeout?: number | undefined;
  /**
   * What becomes of this instance's runs when it shuts down: `'finish'` gives them `timeout` milliseconds, then they are
   * stopped; `'stop'` stops them at once.
   *
   * @defaultValue `{ runs: 'finish', timeout: 5_000 }`
   */
  readonly drain?:
    | { readonly runs?: 'finish' | 'stop' | undefined; readonly timeout?: number | undefined }
    | undefined;
}

/** {@link SseRunsOptions}, complete, checked and frozen. */
export interface RunsOptions {
  readonly keepFor: number;
  readonly lease: number;
  readonly maxBytes: number;
  readonly maxRuns: number;
  readonly unknown: 204 | 404;
  readonly stopTimeout: number;
  readonly drain: { readonly runs: 'finish' | 'stop'; readonly timeout: number };
}

/** @throws SseError `BAD_OPTION` */
export function resolveRunsOptions(options: SseRunsOptions = {}): RunsOptions {
  const known = ['keepFor', 'lease', 'maxBytes', 'maxRuns', 'unknown', 'stopTimeout', 'drain'];
  const given = new GivenOptions('SseRunsModule', 'options', options, known);
  const least = { least: 1 };
  return Object.freeze({
    keepFor: given.number('keepFor', 3_600_000, least),
    lease: given.number('lease', 15_000, { least: 100 }),
    maxBytes: given.number('maxBytes', 4_194_304, least),
    maxRuns: given.number('maxRuns', 10_000, least),
    unknown: unknownOf(given),
    stopTimeout: given.number('stopTimeout', 1_000, { least: 0 }),
    drain: drainOf(given),
  });
}

function unknownOf(given: GivenOptions): 204 | 404 {
  const status = given.get('unknown') ?? 204;
  if (status === 204 || status === 404) return status;
  throw given.bad('unknown', '204 or 404');
}

function drainOf(options: GivenOptions): RunsOptions['drain'] {
  const given = options.nested('drain', ['runs', 'timeout']);
  const runs = given.get('runs') ?? 'finish';
  if (runs !== 'finish' && runs !== 'stop') throw given.bad('runs', "'finish' or 'stop'");
  return Object.freeze({ runs, timeout: given.number('timeout', 5_000, { least: 0 }) });
}
