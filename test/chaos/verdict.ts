/** What a client received. */
export interface Record {
  readonly topic: string;
  /** The cursor that it began at, and the last one that it knew. */
  start: string;
  end: string;
  readonly items: { readonly type: string; readonly data: string; readonly id: string }[];
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
  to: number;
}

interface Gap {
  readonly reason: string;
  readonly requested: string;
  readonly resumedAt: string;
}

export interface Verdict {
  readonly faults: string[];
  readonly gaps: number;
}

/**
 * Judges what clients received: each acknowledged event once, in one order for all, or a gap in its place.
 *
 * @param areKept whether nothing is trimmed, so that the log that is there at the end has no gap
 */
export function judge(
  records: readonly Record[],
  acknowledged: readonly Acknowledged[],
  areKept = false,
): Verdict {
  const faults: string[] = [];
  const textAt = new Map(acknowledged.map(({ cursor, text }) => [cursor, text]));
  const last = acknowledged.map(({ cursor }) => placeOf(cursor).epoch).reduce(later, '');
  let gaps = 0;
  for (const [number, record] of records.entries()) {
    const fault = (what: string) => faults.push(`client ${number} (${record.topic}): ${what}`);
    const { stretches, received } = walk(record, textAt, fault, areKept ? last : undefined);
    gaps += stretches.length - 1;
    const trimmed = areKept ? record.items.filter((item) => isTrimmedIn(last, item)) : [];
    for (const { data } of trimmed) fault(`a gap in what is kept, ${data}`);
    for (const { topics, text, cursor } of acknowledged) {
      if (!topics.includes(record.topic)) continue;
      const isOwed = isWithin(stretches, placeOf(cursor));
      if (isOwed && !received.has(text)) fault(`never got ${text} at ${cursor}`);
    }
  }
  return { faults, gaps };
}

/**
 * Follows a client through its log; finds what is out of order, repeated, or not as others had it.
 *
 * @param lasting the epoch of the log that is there at the end, if what has left the tail is kept: of one that has
 *   gone, what a client was let begin with may have gone before it came
 */
function walk(
  record: Record,
  textAt: Map<string, string>,
  fault: (what: string) => void,
  lasting: string | undefined,
) {
  const start = placeOf(record.start);
  let stretch: Stretch = { epoch: start.epoch, from: start.offset, to: start.offset };
  const stretches = [stretch];
  const received = new Set<string>();
  let mayBeGone = false;
  for (const { type, data, id } of record.items) {
    const place = placeOf(id);
    if (type === 'gap') {
      const gap = JSON.parse(data) as Gap;
      const requested = gap.requested === 'start' ? start : placeOf(gap.requested);
      if (gap.reason === 'unknown') fault(`a gap for an unknown cursor, ${data}`);
      if (requested.epoch !== stretch.epoch || requested.offset < stretch.to) {
        fault(`at ${stretch.epoch}.${stretch.to} a gap from elsewhere, ${data}`);
      }
      stretch.to = Math.max(stretch.to, requested.offset);
      if (mayBeGone) stretch.from = stretch.to;
      mayBeGone = lasting !== undefined && gap.reason === 'epoch' && place.epoch !== lasting;
      if (!isBefore(requested, place)) fault(`a gap that leads back, ${data}`);
      stretch = { epoch: place.epoch, from: place.offset, to: place.offset };
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
    mayBeGone = false;
    received.add(data);
    stretch.to = place.offset;
  }
  const end = placeOf(record.end);
  if (end.epoch !== stretch.epoch) fault(`ends at ${record.end}, in another epoch`);
  stretch.to = Math.max(stretch.to, end.offset);
  return { stretches, received };
}

/** Of a log that is gone all is lost, which an instance may hear of before it hears of the next one. */
function isTrimmedIn(epoch: string, { type, data, id }: Record['items'][number]): boolean {
  if (type !== 'gap' || placeOf(id).epoch !== epoch) return false;
  return (JSON.parse(data) as Gap).reason === 'trimmed';
}

/** Whether a client walked past that place, so that it must have got what is there. */
function isWithin(stretches: readonly Stretch[], { epoch, offset }: Place): boolean {
  return stretches.some(
    (stretch) => stretch.epoch === epoch && stretch.from < offset && offset <= stretch.to,
  );
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
