/** What a client received. */
export interface Record {
  /** What it reads. */
  readonly topics: readonly string[];
  /** The cursor that it began at, and the last one that it knew. */
  start: string;
  end: string;
  readonly items: Item[];
}

export interface Item {
  readonly type: string;
  readonly data: string;
  readonly id: string;
  /** When it came, on the monotonic clock. */
  readonly at: number;
}

/** An event whose publish was acknowledged. */
export interface Acknowledged {
  readonly topics: readonly string[];
  readonly text: string;
  readonly cursor: string;
}

interface Place {
  readonly epoch: string;
  readonly offset: number;
}

/** A stretch of the log that a client has walked without a gap: after `from`, up to `to`. */
interface Stretch {
  readonly epoch: string;
  from: number;
  /** Of what is in the tail only: a gap of mixed topics is told before what is kept, and not again where the tail begins. */
  fromInTail: number;
  to: number;
}

/** What a gap led past: after `from`, up to `to`. */
interface Passage {
  readonly epoch: string;
  readonly from: number;
  readonly to: number;
  readonly at: number;
  readonly isTrimmed: boolean;
}

interface Gap {
  readonly reason: string;
  readonly requested: string;
  readonly resumedAt: string;
}

/** What the store keeps. */
export interface Kept {
  /** Of them nothing is trimmed. */
  readonly topics: readonly string[];
  /** Of logs that are gone, since when they may be, on the monotonic clock. */
  readonly goneAt: ReadonlyMap<string, number>;
}

export interface Verdict {
  readonly faults: string[];
  readonly gaps: number;
  /** Of clients that read topics of which some are kept, and others are not. */
  readonly excusedGaps: number;
}

const NOTHING: Kept = { topics: [], goneAt: new Map() };

/** Judges what clients received: each acknowledged event once, in one order for all, or a gap in its place. */
export function judge(
  records: readonly Record[],
  acknowledged: readonly Acknowledged[],
  { topics: kept, goneAt }: Kept = NOTHING,
): Verdict {
  const faults: string[] = [];
  const textAt = new Map(acknowledged.map(({ cursor, text }) => [cursor, text]));
  const last = acknowledged.map(({ cursor }) => placeOf(cursor).epoch).reduce(later, '');
  const keptOf = (topics: readonly string[]) => topics.filter((topic) => kept.includes(topic));
  const isNoneKept = kept.length === 0;
  // Of a log that was left for another one, and that nobody took away, nobody can say anything.
  const isThere = (epoch: string, at: number) =>
    isNoneKept || epoch === last || at < (goneAt.get(epoch) ?? 0);
  let [gaps, excusedGaps] = [0, 0];
  for (const [number, record] of records.entries()) {
    const { topics } = record;
    const fault = (what: string) => faults.push(`client ${number} (${topics.join()}): ${what}`);
    const isWhole = keptOf(topics).length === topics.length;
    const isMixed = !isWhole && !isNoneKept;
    const owed = acknowledged
      .filter((event) => event.topics.some((topic) => topics.includes(topic)))
      .map((event) => {
        const selected = event.topics.filter((topic) => topics.includes(topic));
        return { ...event, place: placeOf(event.cursor), isKept: keptOf(selected).length > 0 };
      });
    const inTail = new Set(owed.flatMap(({ isKept, cursor }) => (isKept ? [] : cursor)));
    const circumstances = { textAt, inTail, isMixed, isThere, fault };
    const { stretches, passages, received } = walk(record, circumstances);
    if (isMixed) excusedGaps += passages.length;
    else gaps += passages.length;
    for (const { isTrimmed, epoch, to, at } of passages) {
      if (isWhole && isTrimmed && isThere(epoch, at))
        fault(`a gap in what is kept, up to ${epoch}.${to}`);
    }
    for (const { text, cursor, place, isKept } of owed) {
      if (received.has(text)) continue;
      const from = isKept || isNoneKept ? 'from' : 'fromInTail';
      if (stretches.some((stretch) => isAfter(place, stretch, stretch[from])))
        fault(`never got ${text} at ${cursor}`);
      const passed = passages.find((passage) => isAfter(place, passage, passage.from));
      if (isKept && passed !== undefined && isThere(passed.epoch, passed.at))
        fault(`a gap passes ${text} at ${cursor}, which is kept`);
    }
  }
  return { faults, gaps, excusedGaps };
}

interface Circumstances {
  readonly textAt: Map<string, string>;
  /** Cursors of events that are kept nowhere but in the tail. */
  readonly inTail: ReadonlySet<string>;
  /** Whether some of the client's topics are kept, and others are not. */
  readonly isMixed: boolean;
  /**
   * Whether a log was there to be read at a time: of one that had gone, what a client was let begin with had gone too,
   * but for what its instance still had.
   */
  isThere(epoch: string, at: number): boolean;
  fault(what: string): void;
}

/** Follows a client through its log; finds what is out of order, repeated, or not as others had it. */
function walk(
  { start: begun, end: ended, items }: Record,
  { textAt, inTail, isMixed, isThere, fault }: Circumstances,
) {
  const start = placeOf(begun);
  const { epoch: first, offset: from } = start;
  let stretch: Stretch = { epoch: first, from, fromInTail: from, to: from };
  const stretches = [stretch];
  const passages: Passage[] = [];
  const received = new Set<string>();
  let isAfterEpoch = false;
  for (const { type, data, id, at } of items) {
    const place = placeOf(id);
    const mayBeGone = isAfterEpoch && !isThere(stretch.epoch, at);
    if (type === 'gap') {
      const gap = JSON.parse(data) as Gap;
      const requested = gap.requested === 'start' ? start : placeOf(gap.requested);
      if (gap.reason === 'unknown') fault(`a gap for an unknown cursor, ${data}`);
      if (requested.epoch !== stretch.epoch || requested.offset < stretch.to) {
        fault(`at ${stretch.epoch}.${stretch.to} a gap from elsewhere, ${data}`);
      }
      stretch.to = Math.max(stretch.to, requested.offset);
      if (mayBeGone) stretch.from = stretch.to;
      isAfterEpoch = gap.reason === 'epoch';
      // One of mixed topics is told before what is kept, which may be the next event.
      const leadsOn = isMixed ? !isBefore(place, requested) : isBefore(requested, place);
      if (!leadsOn) fault(`a gap that leads back, ${data}`);
      const { epoch, offset: to } = place;
      const from = requested.epoch === epoch ? requested.offset : 0;
      passages.push({ epoch, from, to, at, isTrimmed: gap.reason === 'trimmed' });
      stretch = { epoch, from: to, fromInTail: Infinity, to };
      stretches.push(stretch);
      continue;
    }
    if (place.epoch !== stretch.epoch) fault(`${id} after ${stretch.epoch} without a gap`);
    if (place.offset <= stretch.to) fault(`${id} after ${stretch.to}`);
    if (received.has(data)) fault(`${data} twice`);
    const known = textAt.get(id);
    if (known !== undefined && known !== data) fault(`${id} is ${data}, elsewhere ${known}`);
    textAt.set(id, data);
    if (mayBeGone) stretch.from = place.offset - 1;
    if (inTail.has(id)) stretch.fromInTail = Math.min(stretch.fromInTail, place.offset - 1);
    isAfterEpoch = false;
    received.add(data);
    stretch.to = place.offset;
  }
  const end = placeOf(ended);
  if (end.epoch !== stretch.epoch) fault(`ends at ${ended}, in another epoch`);
  stretch.to = Math.max(stretch.to, end.offset);
  return { stretches, passages, received };
}

/** Whether a place is in what was walked or passed, after an offset. */
function isAfter(
  { epoch, offset }: Place,
  part: { readonly epoch: string; readonly to: number },
  from: number,
): boolean {
  return part.epoch === epoch && from < offset && offset <= part.to;
}

function later(one: string, other: string): string {
  return one > other ? one : other;
}

/** Epochs grow, so a client that has left one is never in it again. */
function isBefore(one: Place, other: Place): boolean {
  if (one.epoch !== other.epoch) return one.epoch < other.epoch;
  return one.offset < other.offset;
}

export function placeOf(cursor: string): Place {
  const [epoch = '', offset = 'NaN'] = cursor.split('.');
  return { epoch, offset: Number(offset) };
}
