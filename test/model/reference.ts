/** An event as the reference model knows it: what was published, and the place that it got. */
export interface Published {
  readonly n: number;
  readonly epoch: string;
  readonly offset: number;
  readonly topics: readonly string[];
  readonly key: string | undefined;
  /** Whether no `where` and no `filter` of the runs drops it. */
  readonly isForAll: boolean;
}

/** When the event was published that has this number, in milliseconds. */
export function timeOf(n: number): number {
  return 1_700_000_000_000 + n * 1_000;
}

/** A place as a client knows it. */
export interface Place {
  readonly epoch: string;
  readonly offset: number;
}

/** Offsets that an instance lost from the middle of its log. */
export interface LostRange {
  readonly epoch: string;
  readonly after: number;
  readonly upTo: number;
}

export function isWithin({ epoch, after, upTo }: LostRange, place: Place): boolean {
  return epoch === place.epoch && after < place.offset && place.offset <= upTo;
}

export function placeOf(cursor: string): Place {
  const [, epoch, offset] = /^(.+)\.(\d+)$/.exec(cursor) ?? [];
  if (epoch === undefined) throw new Error(`'${cursor}' is not a cursor`);
  return { epoch, offset: Number(offset) };
}

/** Everything that was ever published in a run, however little of it the log under test still holds. */
export class Reference {
  readonly #events: Published[] = [];

  /** The number of the next event. */
  get next(): number {
    return this.#events.length;
  }

  add(event: Published): void {
    this.#events[event.n] = event;
  }

  /** The last offset of an epoch that was published before an event's time. */
  before(epoch: string, since: number): number {
    const earlier = this.#events.filter((event) => event.epoch === epoch && event.n < since);
    return earlier.at(-1)?.offset ?? 0;
  }

  event(n: number): Published | undefined {
    return this.#events[n];
  }

  /** The events of an epoch after one offset and up to another, in order. */
  between(epoch: string, after: number, upTo: number): Published[] {
    return this.#events.filter(
      (event) => event.epoch === epoch && event.offset > after && event.offset <= upTo,
    );
  }
}

/** Whether a topic is selected by a pattern: `*` is one segment, a last `**` the rest. */
export function selects(pattern: string, topic: string): boolean {
  const wanted = pattern.split('.');
  const segments = topic.split('.');
  if (wanted.at(-1) === '**') {
    if (segments.length < wanted.length) return false;
    wanted.pop();
  } else if (segments.length !== wanted.length) {
    return false;
  }
  return wanted.every((segment, index) => segment === '*' || segment === segments[index]);
}
