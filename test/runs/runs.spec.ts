import { expect, it } from '@jest/globals';

import { from } from 'rxjs';
import { SseConnections } from 'nestjs-event-stream';
import type { RunChange } from 'nestjs-event-stream/runs';
import { until } from '../support/until.js';
import { all, deferred, eachBackplane, texts, told, waitForAbort } from './instances.js';

const DONE = 'run-end {"status":"done"}';

eachBackplane((bench) => {
  it('gives all of it from the start, its end, and then 204, on either instance', async () => {
    const [one, two] = await bench.startTwo();
    const go = deferred();
    const started = await one.runs.start('chat.1', async function* () {
      yield* texts('a', 'b');
      await go.promise;
      yield* texts('c');
    });
    expect(started).toMatchObject({ id: 'chat.1', status: 'live', isNew: true });
    const clients = await Promise.all([one, two].map((at) => bench.connect(at, '/runs/chat.1')));
    for (const client of clients) expect(told(await client.take(2))).toEqual(['a', 'b']);
    go.resolve();
    for (const client of clients) expect(await all(client)).toEqual(['c', DONE]);
    for (const at of [one, two]) {
      const late = await bench.connect(at, '/runs/chat.1');
      expect(await all(late)).toEqual(['a', 'b', 'c', DONE]);
      const back = await bench.connect(at, '/runs/chat.1', late.lastEventId);
      expect(back.status).toBe(204);
      expect((await bench.connect(at, '/runs/nobody-knows')).status).toBe(204);
    }
  });

  it('goes on at the cursor of a client that comes back, on the other instance', async () => {
    const [one, two] = await bench.startTwo();
    const go = deferred();
    await one.runs.start('chat.1', async function* () {
      yield* texts('a', 'b', 'c');
      await go.promise;
      yield* texts('d');
    });
    const client = await bench.connect(one, '/runs/chat.1');
    const [, second] = await client.take(3);
    client.close();
    const back = await bench.connect(two, '/runs/chat.1', second?.lastEventId);
    expect(told(await back.take(1))).toEqual(['c']);
    go.resolve();
    expect(await all(back)).toEqual(['d', DONE]);
  });

  it('goes on when the client has gone whose handler has started it, also if its source is a stream of the bus', async () => {
    const [one, two] = await bench.startTwo();
    const asking = await bench.connect(one, '/asked/chat.1');
    expect((await asking.next()).data).toBe('started');
    await two.bus.publish('progress', { data: 'a' });
    const client = await bench.connect(two, '/runs/chat.1');
    expect((await client.next()).data).toBe('a');
    asking.close();
    await until('it has gone', () => one.app.get(SseConnections).count === (one === two ? 1 : 0));
    await two.bus.publish('progress', { data: 'b' });
    expect((await client.next()).data).toBe('b');
    expect(await two.runs.stop('chat.1')).toMatchObject({ status: 'stopped', events: 2 });
    expect(await all(client)).toEqual(['run-end {"status":"stopped"}']);
  });

  it('is kept beyond the tail, as a whole, however much else is published', async () => {
    const archive = { maxBytes: 4_096 };
    const history = { maxEvents: 5, topics: [{ match: 'noise' }], archive };
    const one = await bench.start({ sse: { history } });
    const go = deferred();
    const tokens = Array.from({ length: 100 }, (_, n) => `${n}`);
    await one.runs.start('chat.1', async function* () {
      yield* tokens;
      await go.promise;
    });
    for (let n = 0; n < 20; n++) await one.bus.publish('noise', { data: 'x'.repeat(1_000) });
    const client = await bench.connect(one, '/runs/chat.1');
    expect(told(await client.take(100))).toEqual(tokens);
    go.resolve();
    expect(await all(client)).toEqual([DONE]);
  });

  it('is kept as long as it is live, however short it is after its end', async () => {
    const one = await bench.start({ runs: { keepFor: 1 }, sse: { history: { maxEvents: 5 } } });
    const go = deferred();
    await one.runs.start('chat.1', async function* () {
      yield 'a';
      await go.promise;
    });
    await until('it has been silent for longer', async () => {
      await one.bus.publish('noise', { data: 0 });
      const { startedAt } = one.runs.get('chat.1') ?? {};
      return startedAt !== undefined && Date.now() - startedAt.getTime() > 200;
    });
    const client = await bench.connect(one, '/runs/chat.1');
    expect(told(await client.take(1))).toEqual(['a']);
    go.resolve();
    expect(await all(client)).toEqual([DONE]);
  });

  it('is kept as it was started, whatever the options are of those that are there meanwhile', async () => {
    const sse = { history: { maxEvents: 5 } };
    const one = await bench.start({ runs: { keepFor: 60_000 }, sse });
    const two = bench.isShared ? await bench.start({ runs: { keepFor: 1, lease: 100 }, sse }) : one;
    const started = await one.runs.start('chat.1', texts('a'));
    expect(await two.runs.start('chat.1', texts('b'))).toMatchObject({
      ...{ isNew: false, owner: started.owner },
    });
    const go = deferred();
    await one.runs.start('live', () => from(go.promise));
    await two.runs.start('chat.2', texts('b'), { keepFor: 60_000 });
    await two.runs.start('chat.3', texts('c'), { keepFor: 1 });
    await until('the time of the shortest is over', async () => {
      for (const { bus } of [one, two]) await bus.publish('noise', { data: 0 });
      return Date.now() - started.startedAt.getTime() > 900;
    });
    expect(two.runs.get('live')).toMatchObject({ status: 'live' });
    go.resolve();
    const three = bench.isShared ? await bench.start({ sse }) : one;
    for (const at of [one, two, three]) {
      expect(await all(await bench.connect(at, '/runs/chat.1'))).toEqual(['a', DONE]);
      expect(await all(await bench.connect(at, '/runs/chat.2'))).toEqual(['b', DONE]);
      expect((await bench.connect(at, '/runs/chat.3')).status).toBe(204);
    }
  });

  it('is known to all, also if more of them start at once than the tail holds', async () => {
    const [one, two] = await bench.startTwo({ sse: { history: { maxEvents: 5 } } });
    const ids = Array.from({ length: 100 }, (_, n) => `chat.${n}`);
    await Promise.all(ids.map((id) => two.runs.start(id, texts(id))));
    await until('they have ended', () => two.runs.list().every(({ status }) => status === 'done'));
    await until('the other knows it', () => one.runs.list().length === ids.length);
    await until('and how', () => one.runs.list().every(({ status }) => status === 'done'));
    for (const id of ids.slice(0, 3)) {
      expect(await all(await bench.connect(one, `/runs/${id}`))).toEqual([id, DONE]);
    }
  });

  if (bench.isShared)
    it('is told to an instance that starts later, as none of its own', async () => {
      const one = await bench.start({ runs: { lease: 10_000 } });
      await one.runs.start('chat.1', texts('a'));
      await until('it has ended', () => one.changes.length === 2);
      await one.runs.start('chat.2', async ({ signal }) => waitForAbort(signal));
      const { changes } = await bench.start();
      await until('it knows', () => changes.length === 3);
      expect(changes.map(({ type, isOwn, run }) => [type, isOwn, run.id])).toEqual([
        ['started', false, 'chat.1'],
        ['ended', false, 'chat.1'],
        ['started', false, 'chat.2'],
      ]);
      await one.runs.stop('chat.2');
      await until('it is told of its end', () => changes.length === 4);
      expect(changes[3]).toMatchObject({ type: 'ended', isOwn: false, run: { status: 'stopped' } });
    });

  it('goes together with other runs and topics on one connection', async () => {
    const [one, two] = await bench.startTwo();
    const go = deferred();
    await one.runs.start('a', async function* () {
      yield 'a1';
      await go.promise;
      yield 'a2';
    });
    await two.runs.start('b', texts('b1'));
    const both = await bench.connect(two, '/several/a,b,nobody-knows');
    const first = told(await both.take(3));
    expect(first.filter((text) => /^[ab]1$/.test(text)).sort()).toEqual(['a1', 'b1']);
    go.resolve();
    expect([...first, ...(await all(both))].sort()).toEqual(['a1', 'a2', 'b1', DONE, DONE].sort());
    expect((await bench.connect(one, '/several/a,b', both.lastEventId)).status).toBe(204);
    const withNews = await bench.connect(one, '/with-news/a');
    expect(told(await withNews.take(3))).toEqual(['a1', 'a2', DONE]);
    await two.bus.publish('news', { data: 'new' });
    expect((await withNews.next()).data).toBe('new');
  });

  it('is listed with what it has emitted, and told of when it starts and ends', async () => {
    const [one, two] = await bench.startTwo({ runs: { lease: 200 } });
    const changes: [string, RunChange][] = [];
    for (const [name, { runs }] of [
      ['one', one],
      ['two', two],
    ] as const)
      runs.events$.subscribe((change) => changes.push([name, change]));
    const go = deferred();
    await one.runs.start('chat.1', async function* () {
      yield* texts('abc', 'de');
      await go.promise;
    });
    const client = await bench.connect(two, '/runs/chat.1');
    await client.take(2);
    await until('the other knows what it has emitted', () => two.runs.get('chat.1')?.bytes === 5);
    const info = { id: 'chat.1', status: 'live' as const, events: 2, bytes: 5 };
    expect(two.runs.list()).toMatchObject([{ ...info, readers: 1 }]);
    go.resolve();
    await all(client);
    await until(
      'both are told',
      () => changes.filter(([, { type }]) => type === 'ended').length >= (one === two ? 1 : 2),
    );
    expect(two.runs.list()).toMatchObject([{ ...info, status: 'done', endedAt: expect.any(Date) }]);
    const own = changes.filter(([, { isOwn }]) => isOwn);
    expect(own.filter(([, { type }]) => type === 'ended')).toHaveLength(one === two ? 2 : 1);
    expect(changes.at(-1)?.[1].run.status).toBe('done');
    await until('its reader has gone', () => two.runs.get('chat.1')?.readers === 0);
  });

  it('cannot be read any more when its time is over: 204, or 404 if that is wanted', async () => {
    const one = await bench.start();
    await one.runs.start('chat.1', texts('a'), { keepFor: 20 });
    await until('it has ended', () => one.runs.get('chat.1')?.status !== 'live');
    await until('its time is over', () => one.runs.get('chat.1') === undefined);
    expect((await bench.connect(one, '/runs/chat.1')).status).toBe(204);
    expect(await one.runs.start('chat.1', texts('b'))).toMatchObject({ isNew: true });
    expect(await all(await bench.connect(one, '/runs/chat.1'))).toEqual(['b', DONE]);
    await bench.stop();
    const two = await bench.start({ runs: { unknown: 404 } });
    expect((await bench.connect(two, '/runs/chat.1')).status).toBe(404);
    await two.runs.start('chat.1', texts('a'));
    const client = await bench.connect(two, '/runs/chat.1');
    expect(await all(client)).toEqual(['a', DONE]);
    expect((await bench.connect(two, '/runs/chat.1', client.lastEventId)).status).toBe(204);
  });

  it('refuses what it cannot take, and says what it takes', async () => {
    const { runs } = await bench.start({ runs: { maxRuns: 1, keepFor: 1_000 } });
    const source = texts('a');
    await expect(runs.start('', source)).rejects.toMatchObject({ code: 'BAD_TOPIC' });
    expect(() => runs.stream('x'.repeat(1_000))).toThrow(/at most 960 characters/);
    await expect(runs.start('a', 7 as never)).rejects.toThrow(/AsyncIterable/);
    await expect(runs.start('a', source, { keepFor: 0 })).rejects.toThrow(/from 1 to/);
    await expect(runs.start('a', source, { onExisting: 'take' as never })).rejects.toThrow(
      /'join'/,
    );
    await runs.start('a', source);
    await expect(runs.start('b', source)).rejects.toThrow(/maxRuns \(1\)/);
  });
});
