import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { NestFactory } from '@nestjs/core';
import { metrics, trace } from '@opentelemetry/api';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import { connectEvents } from 'nestjs-event-stream/client';
import {
  connectSse,
  type ConnectSseOptions,
  type SseTestClient,
} from 'nestjs-event-stream/testing';
import { readAnswer } from '../../examples/llm-tokens/read-answer.js';
import { reporter } from '../../examples/connections/late-errors.service.js';
import { Sdk } from '../metrics/scrape.js';
import { Spans } from '../metrics/spans.js';
import { until } from '../support/until.js';
import { type Example, startExample } from './start-example.js';

const clients: SseTestClient[] = [];

/** Starts an example for the tests of a block, and ends it after them. */
function withExample(name: string, tests: (example: () => Example) => void): void {
  describe(`the example ${name}`, () => {
    let example: Example;
    beforeAll(async () => {
      example = await startExample(name);
    });
    afterAll(async () => {
      for (const client of clients.splice(0)) client.close();
      await example.app.close();
    });
    tests(() => example);
  });
}

async function connect(
  { url }: Example,
  path: string,
  options?: ConnectSseOptions,
): Promise<SseTestClient> {
  const client = await connectSse(url, path, options);
  clients.push(client);
  return client;
}

withExample('notifications', (example) => {
  const ada = { headers: { cookie: 'session=ada' } };

  it('answers 401 to who is not signed in', async () => {
    expect((await connect(example(), '/notifications')).status).toBe(401);
  });

  it('notifies all tabs of a user and nobody else, until the user signs out', async () => {
    const { post } = example();
    const bob = await connect(example(), '/notifications', { headers: { cookie: 'session=bob' } });
    const tabs = [
      await connect(example(), '/notifications', ada),
      await connect(example(), '/notifications', ada),
    ];
    await post('/users/ada/notifications', { text: 'Hello' });
    for (const tab of tabs) expect((await tab.next()).json()).toEqual({ text: 'Hello' });
    await post('/users/bob/notifications', { text: 'and you' });
    expect((await bob.next()).json()).toEqual({ text: 'and you' });
    await post('/users/ada/sign-out');
    await Promise.all(tabs.map(({ closed }) => closed));
    expect(example().app.get(SseConnections).count).toBe(1);
  });
});

withExample('job-progress', (example) => {
  it('shows a late client the last state, and resumes one that was cut off, to the end', async () => {
    const { id } = (await example().post('/jobs')) as { id: string };
    const first = await connect(example(), `/jobs/${id}`);
    const { lastEventId } = await first.next('progress');
    first.close();
    const second = await connect(example(), `/jobs/${id}`, { lastEventId });
    const types: string[] = [];
    for await (const { type, lastEventId: next } of second) {
      expect(offsetOf(next)).toBeGreaterThan(offsetOf(lastEventId));
      types.push(type);
    }
    expect(types.at(-1)).toBe('done');
    const late = await connect(example(), `/jobs/${id}`);
    expect((await late.take(2)).map(({ type }) => type)).toEqual(['progress', 'done']);
    await late.closed;
    const again = await connect(example(), `/jobs/${id}`, { lastEventId: second.lastEventId });
    expect(again.status).toBe(204);
  });
});

withExample('llm-tokens', (example) => {
  it('answers a question token by token', async () => {
    const client = await connect(example(), '/answers', { body: { question: 'Why?' } });
    const tokens = await client.take(3);
    expect(client.status).toBe(200);
    expect(tokens.map(({ data }) => data).join('')).toBe('You asked:\nWhy?');
  });

  it('resumes a POST by its Last-Event-ID', async () => {
    const body = { id: 'one', question: 'Why is the sky blue?' };
    const first = await connect(example(), '/lasting-answers', { body });
    const tokens = await first.take(2);
    first.close();
    const lastEventId = tokens.at(-1)?.lastEventId;
    const second = await connect(example(), '/lasting-answers', { body, lastEventId });
    const rest: string[] = [];
    for await (const { type, data } of second) if (type === 'token') rest.push(data);
    expect(second.status).toBe(200);
    expect(rest.join('')).toBe('Why is the sky blue?');
  });

  it('reads an answer whole over a connection that breaks', async () => {
    let answer = '';
    for await (const token of readAnswer(`${example().url}/lasting-answers`, 'Why, and how?')) {
      if (answer === '') expect(example().app.get(SseConnections).close()).toBeGreaterThan(0);
      answer += token;
    }
    expect(answer).toBe('You asked:\nWhy, and how?');
  });
});

withExample('orders', (example) => {
  it('begins with a snapshot, and goes on with changes', async () => {
    const client = await connect(example(), '/orders');
    expect((await client.next('orders')).json()).toEqual([{ id: 7, state: 'open' }]);
    await example().post('/orders/7/pay');
    expect((await client.next('order')).json()).toEqual({ id: 7, state: 'paid' });
  });

  it('goes on from a REST answer', async () => {
    const response = await fetch(`${example().url}/board`);
    const { lastEventId } = (await response.json()) as { lastEventId: string };
    await example().post('/orders/8/pay');
    const client = await connect(example(), `/board/changes?lastEventId=${lastEventId}`);
    expect((await client.next()).json()).toEqual({ id: 8, state: 'paid' });
  });
});

withExample('runs', (example) => {
  it('answers once, from the start for whoever comes, until somebody stops it', async () => {
    const { post, url } = example();
    await post('/answers/1', { question: 'How are you?' });
    const text = ['You', ' asked:', 'How', ' are', ' you?'];
    for (const client of [
      await connect(example(), '/answers/1'),
      await connect(example(), '/answers/1'),
    ]) {
      expect((await client.take(5)).map(({ data }) => data)).toEqual(text);
      expect((await client.next()).json()).toEqual({ status: 'done' });
      await client.closed;
    }
    await post('/answers/2', { question: 'word '.repeat(1_000) });
    const client = await connect(example(), '/answers/2');
    await client.next();
    const stopped = await fetch(`${url}/answers/2`, { method: 'DELETE' });
    expect(await stopped.json()).toMatchObject({ id: 'answer.2', status: 'stopped' });
    expect((await client.next('run-end')).json()).toEqual({ status: 'stopped' });
  });
});

withExample('retention', (example) => {
  async function changePrices(cents: number): Promise<void> {
    for (const symbol of ['ABC', 'XYZ']) await example().post(`/prices/${symbol}`, { cents });
  }

  it('keeps of each topic what its rule says, beyond the few events of the tail', async () => {
    await example().post('/users/bob/inbox', { text: 'b' });
    for (const text of ['1', '2', '3', '4']) await example().post('/users/ada/inbox', { text });
    for (const cents of [1, 2, 3, 4]) await changePrices(cents);

    const bob = await connect(example(), '/users/bob/inbox');
    expect((await bob.next()).json()).toEqual({ text: 'b' });
    const ada = await connect(example(), '/users/ada/inbox');
    expect((await ada.next('gap')).json()).toMatchObject({ requested: 'start' });
    expect((await ada.take(3)).map(({ data }) => data)).toEqual(['2', '3', '4'].map(textOf));
    const latest = await connect(example(), '/users/ada/inbox/latest');
    expect((await latest.take(2)).map(({ data }) => data)).toEqual(['3', '4'].map(textOf));
  });

  it('gives the last event of each key, says that this is all, and goes on', async () => {
    const client = await connect(example(), '/prices');
    expect((await client.next()).type).toBe('ready');
    expect((await client.take(2)).map((event) => event.json())).toEqual([
      { symbol: 'ABC', cents: 4 },
      { symbol: 'XYZ', cents: 4 },
    ]);
    expect((await client.next()).type).toBe('caught-up');
    await changePrices(5);
    expect((await client.next()).json()).toEqual({ symbol: 'ABC', cents: 5 });
  });
});

withExample('operators', (example) => {
  it('passes ids on through operators that wait', async () => {
    const translated = await connect(example(), '/ticker/translated');
    const batched = await connect(example(), '/ticker/batched');
    const first = await example().post('/ticker/lines', { text: 'one' });
    const second = await example().post('/ticker/lines', { text: 'two' });
    const [one, two] = await translated.take(2);
    expect([one?.data, { id: one?.lastEventId }]).toEqual(['ONE', first]);
    expect([two?.data, { id: two?.lastEventId }]).toEqual(['TWO', second]);
    const lines: unknown[] = [];
    while (lines.length < 2) {
      const batch = await batched.next();
      lines.push(...(batch.json() as string[]));
    }
    expect(lines).toEqual(['one', 'two']);
    expect({ id: batched.lastEventId }).toEqual(second);
  });
});

withExample('connections', (example) => {
  it('shows what is open, and how many have ended', async () => {
    await connect(example(), '/news');
    const ended = await connect(example(), '/news');
    expect(
      example()
        .app.get(SseConnections)
        .close(({ id }) => id.endsWith('-2')),
    ).toBe(1);
    await ended.closed;
    const response = await fetch(`${example().url}/connections`);
    expect(await response.json()).toMatchObject({ open: 1, behind: [], ended: { closed: 1 } });
  });

  it('reports an error that came too late for an exception filter', async () => {
    const capture = jest.spyOn(reporter, 'capture').mockImplementation(() => {});
    const client = await connect(example(), '/news/texts');
    await example()
      .app.get(EventBus)
      .publish('news', { data: { text: 'no string' } });
    expect((await client.next()).type).toBe('exception');
    const route = 'GET /news/texts';
    expect(capture).toHaveBeenCalledWith(expect.any(Error), expect.objectContaining({ route }));
  });
});

withExample('cqrs', (example) => {
  it("publishes from a handler of @nestjs/cqrs' EventBus", async () => {
    const client = await connect(example(), '/users/ada/events');
    await example().post('/orders/7/ship', { userId: 'ada' });
    expect((await client.next('order-shipped')).json()).toEqual({ orderId: '7' });
  });
});

withExample('typed-events', (example) => {
  it('streams what its types say', async () => {
    const client = await connect(example(), '/prices');
    await example().post('/prices/ABC', { cents: 0 });
    await example().post('/prices/ABC', { cents: 12 });
    expect((await client.next('price')).json()).toEqual({ symbol: 'ABC', cents: 12 });
  });
});

withExample('ordinary-observables', (example) => {
  it('delivers what is no event of the bus, without inventing ids', async () => {
    const client = await connect(example(), '/clock');
    expect(Date.parse((await client.next()).data)).not.toBeNaN();
    expect(client.retry).toBeGreaterThan(0);
    expect(client.lastEventId).toBe('');
  });
});

describe('the example shutdown', () => {
  it('says goodbye, and ends its streams properly', async () => {
    const example = await startExample('shutdown');
    const client = await connect(example, '/news');
    const closed = example.app.close();
    expect((await client.next()).type).toBe('goodbye');
    await client.closed;
    await closed;
    await expect(fetch(`${example.url}/news`)).rejects.toThrow();
  });
});

function textOf(text: string): string {
  return JSON.stringify({ text });
}

function offsetOf(id: string): number {
  return Number(id.split('.')[1]);
}

withExample('metrics', (example) => {
  it('answers a scrape', async () => {
    const client = await connect(example(), '/news');
    await example().post('/news', { text: 'Rain' });
    await client.next();
    const response = await fetch(`${example().url}/metrics`);
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const scrape = await response.text();
    expect(scrape).toContain('sse_server_published_events_total 1\n');
    expect(scrape).toMatch(/^sse_server_active_connections\{.*http_route="\/news"\} 1$/m);
  });

  it('is measured by OpenTelemetry, too', async () => {
    const sdk = new Sdk();
    metrics.setGlobalMeterProvider(sdk.meterProvider);
    const { TelemetryModule } = await import('../../examples/metrics/telemetry.module.js');
    const app = await NestFactory.create(TelemetryModule);
    const client = await connectSse(app, '/news');
    const name = 'sse.server.active_connections{http.request.method="GET",http.route="/news"}';
    expect((await sdk.read()).get(name)).toBe(1);
    client.close();
    await app.close();
    metrics.disable();
    await sdk.stop();
  });
});

it('the example own-backplane writes down what is published', async () => {
  const written: string[] = [];
  const spy = jest.spyOn(process.stdout, 'write').mockImplementation((line) => {
    written.push(String(line));
    return true;
  });
  const example = await startExample('own-backplane');
  const client = await connect(example, '/news');
  const posted = await example.post('/news', { text: 'Rain' });
  const { lastEventId, data } = await client.next('headline');
  spy.mockRestore();
  const line = { id: lastEventId, topics: ['news'], type: 'headline', text: data };
  expect(written).toContain(`${JSON.stringify(line)}\n`);
  expect(posted).toEqual({ id: lastEventId });
  client.close();
  await example.app.close();
});

withExample('contract', (example) => {
  it('has its events in the OpenAPI document', async () => {
    const response = await fetch(`${example().url}/api-json`);
    const { paths } = (await response.json()) as { paths: Record<string, { get: object }> };
    expect(paths['/quotes']?.get).toMatchObject({
      responses: { 200: { content: { 'text/event-stream': { itemSchema: expect.anything() } } } },
    });
  });

  it('refuses what does not meet its schema', async () => {
    const client = await connect(example(), '/quotes');
    const bus = example().app.get(EventBus);
    const wrong = bus.publish('quotes', { type: 'price', data: { cents: 'twelve' } });
    await expect(wrong).rejects.toMatchObject({ code: 'BAD_EVENT' });
    await bus.publish('quotes', { type: 'price', data: { cents: 12 } });
    expect((await client.next('price')).json()).toEqual({ cents: 12 });
  });
});

withExample('inspector', (example) => {
  it('is for administrators', async () => {
    process.env['ADMIN_SECRET'] = 'open-sesame';
    const page = (cookie: string) => fetch(`${example().url}/_events`, { headers: { cookie } });
    expect((await page('admin=guessed')).status).toBe(403);
    const response = await page('admin=open-sesame');
    expect(response.headers.get('content-type')).toContain('text/html');
    expect(response.status).toBe(200);
  });

  it('is for this machine where there is no guard', async () => {
    const { LocalModule } = await import('../../examples/inspector/local.module.js');
    const app = await NestFactory.create(LocalModule);
    await app.listen(0, '127.0.0.1');
    const response = await fetch(`${await app.getUrl()}/_events`);
    expect(await response.text()).toContain('</html>');
    await app.close();
  });
});

describe('the example sqlite', () => {
  it('keeps its events over a restart', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'example-sqlite-'));
    process.env['SSE_FILE'] = join(folder, 'events.db');
    const example = await startExample('sqlite');
    const first = await connect(example, '/news');
    await example.post('/news', { text: 'before' });
    const { lastEventId } = await first.next('headline');
    await example.post('/news', { text: 'missed' });
    await example.app.close();
    const { AppModule } = await import('../../examples/sqlite/app.module.js');
    const again = await NestFactory.create(AppModule);
    const second = await connectSse(again, '/news', { lastEventId });
    expect((await second.next()).json()).toEqual({ text: 'missed' });
    await import('../../examples/sqlite/nightly.js');
    expect((await second.next()).json()).toEqual({ text: 'From a cron job' });
    second.close();
    await again.close();
    rmSync(folder, { recursive: true });
  });
});

withExample('rooms', (example) => {
  it('shows a member what has been said since they joined, and nothing before', async () => {
    const bus = example().app.get(EventBus);
    await bus.publish('room.7', { data: 'before' });
    const first = await connect(example(), '/rooms/7/ada');
    await bus.publish('room.7', { data: 'since' });
    expect((await first.next()).data).toBe('since');
    first.close();
    const again = await connect(example(), '/rooms/7/ada');
    expect((await again.next()).data).toBe('since');
  });

  it('has ids on a stream of each client, and none on one that all share', async () => {
    const bus = example().app.get(EventBus);
    const own = await connect(example(), '/channels/news');
    const shared = await connect(example(), '/channels/prices');
    await bus.publish(['news', 'prices'], { data: 'x' });
    expect(await own.next()).toMatchObject({ data: 'x', lastEventId: bus.head });
    expect(await shared.next()).toMatchObject({ data: 'x', lastEventId: '' });
  });
});

withExample('application-wide', (example) => {
  it('wraps and caches what other routes answer, and leaves streams alone', async () => {
    const bus = example().app.get(EventBus);
    const latest = async () => (await fetch(`${example().url}/news`)).json();
    const first = await latest();
    expect(first).toEqual({ data: { id: bus.head } });
    const client = await connect(example(), '/news/stream');
    for (const text of ['one', 'two']) await bus.publish('news', { data: text });
    expect((await client.take(2)).map(({ data }) => data)).toEqual(['one', 'two']);
    expect(await latest()).toEqual(first);
    const other = await connect(example(), '/news/stream');
    await bus.publish('news', { data: 'three' });
    expect((await other.next()).data).toBe('three');
  });
});

withExample('limits', (example) => {
  it('lets a user have two connections, and ends the oldest for a third', async () => {
    const ada = { headers: { cookie: 'session=ada' } };
    const tabs = [];
    for (let tab = 0; tab < 3; tab++) tabs.push(await connect(example(), '/news', ada));
    expect((await tabs[0]?.next())?.type).toBe('closed');
    await tabs[0]?.closed;
    await example().post('/news', { text: 'Hello' });
    for (const tab of tabs.slice(1)) expect((await tab.next()).type).toBe('headline');
  });
});

describe('the example tracing', () => {
  it('has the publish and the delivery in one trace', async () => {
    const spans = new Spans();
    trace.setGlobalTracerProvider(spans.tracerProvider);
    const example = await startExample('tracing');
    const client = await connect(example, '/news');
    await example.post('/news', { text: 'Rain' });
    await client.next('headline');
    await until('the delivery is traced', () => spans.named('deliver').length === 1);
    const [publish] = spans.named('publish');
    expect(spans.named('deliver')[0]?.spanContext().traceId).toBe(publish?.spanContext().traceId);
    client.close();
    await example.app.close();
    trace.disable();
    await spans.stop();
  });
});

withExample('feeds', (example) => {
  it('lets a client choose among the topics that there are, and go on with others', async () => {
    expect((await connect(example(), '/feeds?topics=secrets')).status).toBe(400);
    const bus = example().app.get(EventBus);
    const events = connectEvents<{ message: string }>(`${example().url}/feeds?topics=news`);
    const seen: unknown[] = [];
    events.on('message', ({ data }) => seen.push(data));
    await until('it is connected', () => example().app.get(SseConnections).count === 1);
    await until('it reads', () => example().app.get(SseConnections).list()[0]?.topics.length === 1);
    await bus.publish('feed.news', { data: 'of the world' });
    await until('the news', () => seen.length === 1);
    events.update({ query: { topics: 'news,sports' } });
    await bus.publish('feed.sports', { data: 'a goal' });
    await until('the sports', () => seen.length === 2);
    expect(seen).toEqual(['of the world', 'a goal']);
    events.close();
  });
});

withExample('presence', (example) => {
  it('shows who is in a room, each once, in whichever order they come and go', async () => {
    const bob = await connect(example(), '/rooms/7?name=bob');
    expect((await bob.next('members')).json()).toMatchObject({ topic: 'room.7' });
    const tabs = [
      await connect(example(), '/rooms/7?name=ada'),
      await connect(example(), '/rooms/7?name=ada'),
    ];
    expect((await bob.next('join')).json()).toMatchObject({ member: { id: 'ada', name: 'ADA' } });
    await example().post('/rooms/7/messages', { text: 'Hello' });
    for (const tab of tabs) expect((await tab.next('message')).json()).toEqual({ text: 'Hello' });
    const members = await fetch(`${example().url}/rooms/7/members`);
    expect(await members.json()).toMatchObject({ count: 2 });
    for (const tab of tabs) tab.close();
    expect((await bob.next('leave')).json()).toMatchObject({ member: { id: 'ada' } });
  });

  it('has a page for it', async () => {
    expect(await (await fetch(example().url)).text()).toContain('<h1>Room 7</h1>');
  });
});
