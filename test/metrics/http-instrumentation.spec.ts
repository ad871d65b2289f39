import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as elapse } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ignoreEventStreams } from 'nestjs-event-stream/metrics/instrumentation';
import { connectSse } from 'nestjs-event-stream/testing';
import { build } from '../model/build.js';
import { until } from '../support/until.js';
import type { Report } from './instrumented.server.js';

/** Milliseconds that streams of these tests are open, at least. */
const OPEN = 250;
const REMOTE = { traceId: 'a1'.repeat(16), spanId: 'b2'.repeat(8) };
const SERVER = 1;

it('is told to ignore event streams by the example', async () => {
  const { http } = await import('../../examples/tracing/instrumentation.js');
  expect(http.getConfig().ignoreIncomingRequestHook).toBe(ignoreEventStreams);
  http.disable();
});

describe("OpenTelemetry's HTTP instrumentation", () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(process.cwd(), 'test', '.built-'));
    const files = ['instrumented.server.ts', 'instrumented.application.ts'];
    build(['src', ...files.map((file) => `test/metrics/${file}`)], folder);
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function serving(...args: readonly string[]) {
    let server: ChildProcess;
    let url: string;
    let loadedBefore: readonly string[];

    beforeEach(async () => {
      server = fork(join(folder, 'test/metrics/instrumented.server.js'), args);
      const [{ port, loadedBefore: loaded = [] }] = (await once(server, 'message')) as [Report];
      loadedBefore = loaded;
      url = `http://127.0.0.1:${port}`;
    });

    afterEach(async () => {
      if (!server.connected) return;
      server.disconnect();
      await once(server, 'exit');
    });

    const reported = async (): Promise<Required<Omit<Report, 'port' | 'loadedBefore'>>> => {
      server.send('report');
      const [{ spans = [], durations = [] }] = (await once(server, 'message')) as [Report];
      return { spans, durations };
    };
    /** Opens a stream, keeps it for a while, and gives what is told while it is open and afterwards. */
    const stream = async () => {
      const traceparent = `00-${REMOTE.traceId}-${REMOTE.spanId}-01`;
      const client = await connectSse(url, '/streams/7', { headers: { traceparent } });
      await client.next();
      await elapse(OPEN);
      const open = await reported();
      client.close();
      const isOver = async () =>
        (await reported()).spans.some(({ name }) => name === 'stream /streams/:id');
      await until('the stream has a span', isOver);
      return { open, ended: await reported() };
    };
    return { reported, stream, url: () => url, loadedBefore: () => loadedBefore };
  }

  describe('as it is', () => {
    const { stream } = serving();

    it('takes the lifetime of a stream for the duration of its request, of which the stream is a part', async () => {
      const { open, ended } = await stream();
      expect(open.durations).toEqual([]);
      const [duration] = ended.durations;
      expect(duration?.max).toBeGreaterThan(OPEN / 1_000);
      const request = ended.spans.find(({ kind }) => kind === SERVER);
      const [own] = ended.spans.filter(({ name }) => name === 'stream /streams/:id');
      expect(own).toMatchObject({ traceId: REMOTE.traceId, parentSpanId: request?.spanId });
    });
  });

  describe('that ignores event streams', () => {
    const { stream, reported, url, loadedBefore } = serving('--cured');

    it('loads nothing of Nest for that, which other instrumentations have yet to patch', () => {
      expect(loadedBefore()).toContain('@opentelemetry/instrumentation-http');
      // What @nestjs/common loads first.
      expect(loadedBefore()).not.toContain('reflect-metadata');
      expect(loadedBefore()).not.toContain('rxjs');
    });

    it('has their requests end when they open, and their streams beside them', async () => {
      const { open, ended } = await stream();
      const [duration] = open.durations;
      expect(duration).toMatchObject({ count: 1 });
      expect(duration?.max).toBeLessThan(OPEN / 1_000);
      expect(duration?.attributes).toEqual({
        'http.request.method': 'GET',
        'http.response.status_code': 200,
        'http.route': '/streams/:id',
        'network.protocol.version': '1.1',
        'url.scheme': 'http',
      });
      expect(ended.durations).toEqual(open.durations);
      const request = open.spans.find(({ kind }) => kind === SERVER);
      expect(request).toMatchObject({ name: 'GET /streams/:id', ...{ traceId: REMOTE.traceId } });
      expect(request?.parentSpanId).toBe(REMOTE.spanId);
      expect(request?.attributes).toMatchObject({ 'url.path': '/streams/7' });
      const handler = open.spans.find(({ name }) => name === 'in the handler');
      expect(handler).toMatchObject({ traceId: REMOTE.traceId, parentSpanId: request?.spanId });
      const own = ended.spans.find(({ name }) => name === 'stream /streams/:id');
      expect(own?.parentSpanId).toBe(request?.spanId);
      expect(own?.milliseconds).toBeGreaterThan(OPEN);
      expect(ended.spans.filter(({ kind }) => kind === SERVER)).toHaveLength(1);
    });

    it('has those that get no stream measured all the same, and others as ever', async () => {
      const accept = 'text/event-stream';
      const locked = await fetch(`${url()}/locked`, { headers: { accept } });
      expect(locked.status).toBe(403);
      await locked.text();
      expect(await (await fetch(`${url()}/plain`)).text()).toBe('plain');
      const statuses = async () =>
        (await reported()).durations
          .map(({ attributes, count }) => [attributes['http.response.status_code'], count] as const)
          .sort();
      await until('both are measured', async () => (await statuses()).length === 2);
      expect(await statuses()).toEqual([
        [200, 1],
        [403, 1],
      ]);
    });
  });
});
