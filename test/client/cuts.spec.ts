import { describe, expect, it } from '@jest/globals';
import { createParser } from 'eventsource-parser';
import { type Frame, frameReader } from '../../src/client/frames.js';
import { Random } from '../model/random.js';
import { ClientBench } from './support/client-bench.js';
import type { ScriptedServer } from './support/scripted-server.js';

const LINE_BREAKS = ['\n', '\r\n', '\r'];
const TEXTS = ['', '0', 'a b', ' two blanks', 'grün', '€', '😀', 'a:b', '{"n":1}', '\u2028', '\0'];
const FIELDS = ['data', 'data', 'data', 'id', 'event', 'retry', 'foreign', ''];

/** A stream as nobody would write it, which has a meaning all the same. */
function strangeStream(random: Random): string {
  const lines = Array.from({ length: random.int(1, 40) }, () => {
    if (random.chance(0.3)) return '';
    const field = random.pick(FIELDS);
    if (random.chance(0.1)) return field;
    return `${field}:${random.chance(0.5) ? ' ' : ''}${random.pick(TEXTS)}`;
  });
  const lineBreak = random.pick(LINE_BREAKS);
  return (
    lines.map((line) => line + (random.chance(0.1) ? '\n' : lineBreak)).join('') + 'data:end\n\n'
  );
}

/** Bytes in pieces of a few, cut in the middle of characters and line breaks too. */
function pieces(bytes: Uint8Array, random: Random): Uint8Array[] {
  const cut: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = random.int(1, 9);
    cut.push(bytes.subarray(at, at + size));
    at += size;
  }
  return cut;
}

describe('the reader of frames', () => {
  it('finds what eventsource-parser finds, wherever the bytes are cut', () => {
    for (let seed = 1; seed <= 2_000; seed++) {
      const random = new Random(seed);
      const text = strangeStream(random);
      const expected: object[] = [];
      const parser = createParser({
        onEvent: ({ id, event = 'message', data }) => expected.push({ id, type: event, data }),
      });
      parser.feed(text);
      const read = frameReader(() => {});
      const found: Frame[] = pieces(new TextEncoder().encode(text), random).flatMap(read);
      const withData = found.filter(({ data }) => data !== undefined);
      expect({ seed, events: withData }).toEqual({ seed, events: expected });
    }
  });

  it('looks once at each piece of a long line: 16 MB in pieces of 64 bytes', async () => {
    const read = frameReader(() => {});
    const piece = new TextEncoder().encode('x'.repeat(64));
    const count = 16 * 2 ** 14;
    read(new TextEncoder().encode('data:'));
    for (let sent = 0; sent < count; sent++) {
      read(piece);
      // A reader that begins anew with each piece would hold up the bound of this test too.
      if (sent % 64 === 0) await new Promise((turn) => setImmediate(turn));
    }
    const [frame] = read(new TextEncoder().encode('\n\n'));
    expect(frame?.data).toHaveLength(64 * count);
  });

  it('reads retry', () => {
    const told: number[] = [];
    frameReader((retry) => told.push(retry))(
      new TextEncoder().encode('retry: 12\nretry: -1\nretry: 3x\nretry\nretry:0007\n'),
    );
    expect(told).toEqual([12, 7]);
  });
});

const EPOCH = 'e';

/** What a server with this log sends to a client that comes with a cursor. */
function streamFrom(cursor: string | undefined, length: number): Uint8Array {
  const from = Number(cursor?.split('.')[1] ?? 0);
  let text = `retry: 1\nid: ${EPOCH}.${from}\n\n`;
  for (let offset = from + 1; offset <= length; offset++) {
    text += `id: ${EPOCH}.${offset}\nevent: tick\ndata: {"n":${offset},"s":"ü€😀"}\n\n`;
    if (offset % 3 === 0) text += offset % 2 === 0 ? ':\n\n' : `id: ${EPOCH}.${offset}\n\n`;
  }
  return new TextEncoder().encode(text);
}

async function serveCut(server: ScriptedServer, length: number, cutAt: number): Promise<void> {
  const exchange = await server.next();
  const bytes = streamFrom(exchange.lastEventId, length).subarray(0, cutAt);
  exchange.open();
  if (bytes.length > 0) await exchange.writePart(bytes);
  exchange.cut();
}

describe('a client whose connections are cut', () => {
  const bench = ClientBench.use();
  const inOrder = (length: number) => Array.from({ length }, (_, index) => `${EPOCH}.${index + 1}`);

  it('gets each event once, in order, at whichever byte the cut is', async () => {
    const length = 5;
    const { length: size } = streamFrom(undefined, length);
    for (let cutAt = 0; cutAt <= size; cutAt++) {
      const client = bench.connect({ retry: 1 });
      await serveCut(bench.server, length, cutAt);
      const last = await bench.server.next();
      last.open().write(streamFrom(last.lastEventId, length));
      await client.until(({ events }) => events.lastEventId === `${EPOCH}.${length}`);
      client.events.close();
      expect({ cutAt, ids: client.received.map(({ id }) => id) }).toEqual({
        cutAt,
        ids: inOrder(length),
      });
      await last.gone;
    }
  }, 60_000);

  it.each([1, 2, 3, 4, 5, 6])(
    'gets each event once, in order, through many cuts (seed %s)',
    async (seed) => {
      const random = new Random(seed);
      const length = 60;
      const client = bench.connect({ retry: 1 });
      while (client.received.length < length)
        await serveCut(bench.server, length, random.int(0, 900));
      expect(client.received.map(({ id }) => id)).toEqual(inOrder(length));
    },
    60_000,
  );
});
