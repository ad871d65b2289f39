/** What is cut from a text keeps all of it in memory from this length on; V8 copies what is shorter. */
const SHORTEST_SLICE = 13;

/** The same string, so that keeping it keeps nothing else: not the text that a user cut it from. */
export function ownCopy(text: string): string {
  if (text.length < SHORTEST_SLICE) return text;
  const copy = Buffer.from(text, 'utf8').toString('utf8');
  return copy === text ? copy : text;
}

/** Bytes that a string takes at most, without what every string takes. */
export function bytesOf(text: string): number {
  return text.length * 2;
}
