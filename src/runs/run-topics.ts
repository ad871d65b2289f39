import { received, SseError } from '../errors.js';

/** Claims, stops and ends are kept as long again as runs: whoever can read a run has to know of it. */
const REGISTRY_FACTOR = 2;
/** Characters of a run's id: with what goes before it, it is a topic. */
const MAX_ID_LENGTH = 960;

/** The topics of the log that runs lie under; see `internalRetention` for how their names keep them. */
export class RunTopics {
  /** What is known of all runs: who claimed them, and how they ended. */
  readonly registry: string;
  /** That their owners are alive. */
  readonly owners = '$runs-alive';
  readonly #prefix: string;

  /** @param keepFor milliseconds that a run's events are kept after the last one */
  constructor(readonly keepFor: number) {
    this.registry = `$runs.keep-${keepFor * REGISTRY_FACTOR}`;
    this.#prefix = `$run.whole-${keepFor}.`;
  }

  /** Where the events of a run are. */
  of(id: string): string {
    return this.#prefix + id;
  }

  /** The run whose events are there. */
  idOf(topics: readonly string[]): string | undefined {
    const topic = topics.find((each) => each.startsWith(this.#prefix));
    return topic?.slice(this.#prefix.length);
  }
}

/** @throws SseError `BAD_TOPIC` */
export function checkRunId(id: unknown): string {
  if (typeof id === 'string' && id !== '' && id.length <= MAX_ID_LENGTH && id.isWellFormed()) {
    return id;
  }
  throw new SseError(
    'BAD_TOPIC',
    `A run's id is a non-empty, well-formed string of at most ${MAX_ID_LENGTH} characters: received ${received(id)}`,
  );
}
