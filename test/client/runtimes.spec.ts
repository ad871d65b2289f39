import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Random } from '../model/random.js';
import { bundle } from './support/bundle.js';
import { type Exchange, ScriptedServer } from './support/scripted-server.js';

const CLOSED = 'event: closed\ndata: {"reason":"replaced"}\n\n';
const scenario = join(import.meta.dirname, 'support/scenario.mjs');

/** What each path answers, request by request; the last answer is for all that follow. */
function script(): Record<string, ((exchange: Exchange) => void)[]> {
  const random = new Random(7);
  const cuts = (exchange: Exchange) => {
    const from = Number(exchange.lastEventId?.split('.')[1] ?? 0);
    let text = `retry: 1\nid: e.${from}\n\n`;
    for (let n = from + 1; n <= 60; n++) text += `id: e.${n}\ndata: {"s":"ü€😀"}\n\n`;
    const bytes = new TextEncoder().encode(text + CLOSED);
    const part = bytes.subarray(0, random.int(0, 900));
    exchange.open();
    if (part.length === bytes.length) exchange.write(part).end();
    else void exchange.writePart(part).then(() => exchange.cut());
  };
  const status =
    (code: number, headers = {}) =>
    (exchange: Exchange) =>
      exchange.answer(code, headers);
  const stream =
    (text: string, headers = {}) =>
    (exchange: Exchange) =>
      void exchange.open(headers).write(text);
  return {
    cuts: [cuts],
    statuses: [
      status(500),
      (exchange) => exchange.open().write('retry: 1\nid: e.1\ndata: 1\n\n').end(),
      status(502),
      status(503),
      status(429),
      status(200, { 'content-type': 'text/html' }),
      stream(`data: 2\n\n${CLOSED}`),
    ],
    token: [status(401), stream(`data: welcome\n\n${CLOSED}`)],
    204: [status(204)],
    404: [status(404)],
    silence: [
      stream('id: e.1\ndata: 1\n\n', { 'sse-heartbeat-interval': '100' }),
      stream(`data: 2\n\n${CLOSED}`),
    ],
    gap: [stream(`event: gap\ndata: {}\n\ndata: 1\n\n${CLOSED}`)],
    post: [status(502), stream('data: again\n\n')],
    two: [stream('id: e.1\ndata: 1\n\nid: e.2\ndata: 2\n\n')],
  };
}

async function play(server: ScriptedServer): Promise<never> {
  const answers = script();
  for (;;) {
    const exchange = await server.next();
    const list = answers[exchange.url.slice(1)] ?? [];
    const answer = list.length > 1 ? list.shift() : list[0];
    answer?.(exchange);
  }
}

/** Commands beside this Node, such as `/path/to/bun`, separated by commas. */
const others = (process.env['CLIENT_RUNTIMES'] ?? '').split(',').filter(Boolean);

describe('the client', () => {
  const folder = mkdtempSync(join(tmpdir(), 'client-'));
  const file = join(folder, 'client.mjs');
  let server: ScriptedServer;

  beforeAll(async () => {
    writeFileSync(file, (await bundle()).get('index.js') ?? '');
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  beforeEach(async () => {
    server = await ScriptedServer.start();
    void play(server);
  });
  afterEach(() => server.stop());

  it.each([process.execPath, ...others])(
    'does what it should in %s',
    async (command) => {
      const [program = '', ...before] = command.split(' ');
      const base = `http://127.0.0.1:${server.port}`;
      const parameters = [...before, scenario, pathToFileURL(file).href, base];
      const { stdout } = await promisify(execFile)(program, parameters, { timeout: 50_000 });
      expect(stdout.trim().split('\n')).toHaveLength(10);
    },
    60_000,
  );
});
