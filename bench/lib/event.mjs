/** Occurs once in each event and nowhere else, so that events can be counted byte by byte. */
export const MARK = '~';

/** Bytes of an event's data as JSON. */
export const EVENT_SIZE = 250;

const FIRST = 1_000_000;
const texts = new Map();

/** The event with the number `n` within its topic; its JSON has `size` bytes. */
export function makeEvent(n, size = EVENT_SIZE) {
  let text = texts.get(size);
  if (text === undefined) {
    const rest = JSON.stringify({ n: FIRST, text: MARK }).length;
    text = MARK + 'x'.repeat(size - rest);
    texts.set(size, text);
  }
  return { n: FIRST + n, text };
}
