import { Subscription } from 'rxjs';
import type { ArchiveSize } from '../backplane/archive.js';
import type { ConnectionInfo, EndedConnection } from '../delivery/connection-info.js';
import type { Statistics } from '../nest/statistics.js';
import { type Instrument, INSTRUMENTS } from './instruments.js';
import { type Attributes, RouteCounts } from './route-counts.js';

/** One value of a metric. */
export interface Measurement {
  readonly instrument: Instrument;
  readonly value: number;
  readonly attributes?: Attributes | undefined;
}

/** What a histogram is told of, when it happens. */
export type Recorder = (measurement: Measurement) => void;

/** Milliseconds that reading waits for an archive: whoever collects metrics has not much patience. */
const PATIENCE = 1_000;

const {
  active,
  opened,
  ended,
  opening,
  lifetime,
  behind,
  delivered,
  sent,
  delivery,
  gaps,
  resumes,
  published,
  publish,
  connected,
  lagEvents,
  lag,
  logEvents,
  logBytes,
  logTopics,
  archiveEvents,
  archiveBytes,
  archiveTopics,
} = INSTRUMENTS;

/**
 * Reads what an application counts, and has durations recorded. An event costs it nothing for each client: what is
 * recorded happens once for a connection, a publish or a round of all readers.
 */
export class Measurements {
  readonly #statistics: Statistics;
  readonly #record: Recorder;
  readonly #routes = new RouteCounts();
  readonly #subscription = new Subscription();
  /** How far the rounds have come that were looked at. */
  #offset: number;
  #breaks: number;

  constructor(statistics: Statistics, record: Recorder) {
    const { connections, bus, log, turn } = statistics;
    this.#statistics = statistics;
    this.#record = record;
    this.#offset = log.head;
    this.#breaks = log.breaks;
    this.#subscription.add(connections.openings.subscribe((info) => this.#onOpened(info)));
    this.#subscription.add(connections.ends.subscribe((end) => this.#onEnded(end)));
    bus.outcomes.observer = (duration, code) => {
      this.#record({ instrument: publish, value: duration / 1_000, attributes: failure(code) });
    };
    this.#subscription.add(
      turn.onEnd(() => {
        if (log.head !== this.#offset) this.#onRound();
      }),
    );
  }

  /** What is counted, as it is now. */
  async read(): Promise<Measurement[]> {
    return [
      ...this.#readConnections(),
      ...this.#readPublishes(),
      ...this.#readBackplane(),
      ...(await this.#readArchive()),
    ];
  }

  close(): void {
    this.#subscription.unsubscribe();
    this.#statistics.bus.outcomes.observer = undefined;
  }

  #onOpened(info: ConnectionInfo): void {
    const route = this.#routes.of(info);
    route.active++;
    route.opened++;
    const now = performance.timeOrigin + performance.now();
    const value = Math.max(now - info.since.getTime(), 0) / 1_000;
    this.#record({ instrument: opening, value, attributes: route.attributes });
  }

  #onEnded({ connection, reason, duration, wasOpened }: EndedConnection): void {
    const route = this.#routes.of(connection);
    route.ended.set(reason, (route.ended.get(reason) ?? 0) + 1);
    if (!wasOpened) return;
    route.active--;
    const { attributes } = route;
    this.#record({ instrument: lifetime, value: duration / 1_000, attributes });
  }

  #onRound(): void {
    const { log } = this.#statistics;
    const isContinued = log.breaks === this.#breaks;
    const [first] = log.entriesAfter(this.#offset);
    this.#offset = log.head;
    this.#breaks = log.breaks;
    if (first === undefined || !isContinued) return;
    this.#record({ instrument: delivery, value: (performance.now() - first.appendedAt) / 1_000 });
  }

  *#readConnections(): Iterable<Measurement> {
    const { connections } = this.#statistics;
    for (const { attributes, ...route } of this.#routes) {
      yield { instrument: active, value: route.active, attributes };
      yield { instrument: opened, value: route.opened, attributes };
      for (const [reason, value] of route.ended) {
        const named = { ...attributes, 'sse.connection.end_reason': reason };
        yield { instrument: ended, value, attributes: named };
      }
    }
    let value = 0;
    for (const { isBehind } of connections.connections) if (isBehind) value++;
    yield { instrument: behind, value };
    yield { instrument: delivered, value: connections.cache.delivered };
    yield { instrument: sent, value: connections.bytes };
    yield* byName(gaps, 'sse.gap.reason', connections.gaps);
    yield* byName(resumes, 'sse.resume.outcome', connections.resumes);
  }

  *#readPublishes(): Iterable<Measurement> {
    const { outcomes } = this.#statistics.bus;
    yield { instrument: published, value: outcomes.published };
    for (const [code, value] of outcomes.failed) {
      yield { instrument: published, value, attributes: failure(code) };
    }
  }

  *#readBackplane(): Iterable<Measurement> {
    const { backplane, log } = this.#statistics;
    const { health } = backplane;
    yield { instrument: connected, value: health.isConnected ? 1 : 0 };
    yield { instrument: lagEvents, value: health.lagEvents };
    yield { instrument: lag, value: health.lagMs / 1_000 };
    yield { instrument: logEvents, value: log.length };
    yield { instrument: logBytes, value: log.bytes };
    yield { instrument: logTopics, value: log.topicCount };
  }

  async #readArchive(): Promise<Measurement[]> {
    const size = await this.#archiveSize();
    const values: [Instrument, number | undefined][] = [
      [archiveEvents, size.events],
      [archiveBytes, size.bytes],
      [archiveTopics, size.topics],
    ];
    return values.flatMap(([instrument, value]) =>
      value === undefined ? [] : { instrument, value },
    );
  }

  /** Nothing while the store does not answer: the rest is not to wait for it. */
  async #archiveSize(): Promise<ArchiveSize> {
    const { archive } = this.#statistics.backplane;
    if (archive === undefined) return {};
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<ArchiveSize>((resolve) => {
      timer = setTimeout(() => resolve({}), PATIENCE);
    });
    const size = archive.size().catch(() => ({}));
    return Promise.race([size, late]).finally(() => clearTimeout(timer));
  }
}

function* byName(
  instrument: Instrument,
  attribute: string,
  counts: Readonly<Record<string, number>>,
): Iterable<Measurement> {
  for (const [name, value] of Object.entries(counts)) {
    yield { instrument, value, attributes: { [attribute]: name } };
  }
}

function failure(code: string | undefined): Attributes | undefined {
  return code === undefined ? undefined : { 'error.type': code };
}
