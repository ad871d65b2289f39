import { expect, it } from '@jest/globals';
import { Controller, type MessageEvent, Param, Query, Sse } from '@nestjs/common';
import { concat, ignoreElements, lastValueFrom, map, merge, type Observable, timer } from 'rxjs';
import { EventBus, matching, SseConnections } from 'nestjs-event-stream';
import { eachAdapter } from '../support/each-adapter.js';
import { until } from '../support/until.js';

@Controller()
class Routes {
  constructor(private readonly bus: EventBus) {}

  @Sse('direct/:topics')
  direct(@Param('topics') topics: string, @Query('from') from?: 'start'): Observable<MessageEvent> {
    return this.bus.stream(topics.split(','), { from });
  }

  @Sse('mapped/:topic')
  mapped(@Param('topic') topic: string): Observable<MessageEvent> {
    return this.bus.stream(topic).pipe(map((event) => ({ ...event })));
  }

  @Sse('matched')
  matched(): Observable<MessageEvent> {
    return this.bus.stream(matching('job.*'));
  }

  @Sse('merged')
  merged(): Observable<MessageEvent> {
    return merge(this.bus.stream('job.1'), this.bus.stream('news'));
  }

  @Sse('late/:topic')
  late(@Param('topic') topic: string): Observable<MessageEvent> {
    const first = this.bus.stream('first', { until: () => true });
    return concat(first, timer(20).pipe(ignoreElements()), this.bus.stream(topic));
  }
}

eachAdapter((bench) => {
  async function start() {
    const app = await bench.start({ controllers: [Routes], sse: { openTimeout: 20 } });
    const connect = async (path: string, lastEventId?: string) => {
      const client = await bench.connect(app, path, { lastEventId });
      if (client.status === 200) await until('it reads', () => client.lastEventId !== '');
      return client;
    };
    const statusOf = async (path: string, lastEventId?: string) =>
      (await bench.connect(app, path, { lastEventId })).status;
    return { connect, statusOf, bus: app.get(EventBus), connections: app.get(SseConnections) };
  }

  it.each(['/direct/job.1', '/mapped/job.1', '/direct/job.1?from=start'])(
    'completes its streams after what was published before, and then answers 204: %s',
    async (path) => {
      const { connect, statusOf, bus, connections } = await start();
      const client = await connect(path);
      void bus.publish('job.1', { data: 'a' });
      void bus.publish('job.1', { data: 'b' });
      const end = await bus.complete('job.1');
      expect((await client.take(2)).map(({ data }) => data)).toEqual(['a', 'b']);
      await client.closed;
      expect(client.text).not.toContain('$');
      expect(client.lastEventId).toBe(end);
      expect(connections.ended).toMatchObject({ complete: 1 });
      expect(await statusOf(path, client.lastEventId)).toBe(204);
      expect(await statusOf('/direct/job.1')).toBe(204);
      expect(await statusOf('/mapped/job.1')).toBe(204);
    },
  );

  it('is over for who had everything but the end, and has the rest for who had not', async () => {
    const { connect, statusOf, bus } = await start();
    const first = await bus.publish('job.1', { data: 'a' });
    const last = await bus.publish('job.1', { data: 'b' });
    const end = await bus.complete('job.1');
    await bus.publish('other', { data: 'x' });
    expect(await statusOf('/direct/job.1', last)).toBe(204);
    const client = await connect('/direct/job.1', first);
    expect((await client.next()).data).toBe('b');
    await client.closed;
    expect(client.lastEventId).toBe(end);
    const fromStart = await connect('/direct/job.1?from=start');
    expect((await fromStart.take(2)).map(({ data }) => data)).toEqual(['a', 'b']);
    await fromStart.closed;
    expect(fromStart.lastEventId).toBe(end);
  });

  it('is used again when something is published to it again', async () => {
    const { connect, bus } = await start();
    const end = await bus.complete('job.1');
    const again = await bus.publish('job.1', { data: 'again' });
    const client = await connect('/direct/job.1', end);
    expect(await client.next()).toMatchObject({ data: 'again', lastEventId: again });
    const other = await connect('/direct/job.1');
    await bus.publish('job.1', { data: 'live' });
    expect((await other.next()).data).toBe('live');
    expect((await client.next()).data).toBe('live');
  });

  it('completes a stream of several topics with the last of them', async () => {
    const { connect, statusOf, bus } = await start();
    const client = await connect('/direct/a,b');
    await bus.complete('a');
    const half = await connect('/direct/a,b');
    await bus.publish('a', { data: 'used again' });
    await bus.complete('b');
    await bus.publish('b', { data: 'used again' });
    await bus.complete(['b', 'c']);
    await bus.publish('a', { data: 'last' });
    await bus.complete('a');
    for (const each of [client, half]) {
      const events = await each.take(3);
      expect(events.map(({ data }) => data)).toEqual(['used again', 'used again', 'last']);
      await each.closed;
    }
    expect(await statusOf('/direct/a,b')).toBe(204);
  });

  it('goes on for a matcher, and for what is merged with it', async () => {
    const { connect, bus } = await start();
    const clients = [await connect('/matched'), await connect('/merged')];
    await bus.complete('job.1');
    await bus.publish(['job.2', 'news'], { data: 'still' });
    for (const client of clients) {
      expect((await client.next()).data).toBe('still');
      expect(client.text).not.toContain('$');
    }
  });

  it('completes what joins a connection later', async () => {
    const { connect, bus } = await start();
    await bus.complete('job.1');
    const client = await connect('/late/job.1');
    await bus.publish('first', { data: 'a' });
    expect((await client.next()).data).toBe('a');
    await client.closed;
  });

  it('completes an ordinary Observable', async () => {
    const { bus } = await start();
    const ended = lastValueFrom(bus.stream('job.1'), { defaultValue: undefined });
    await bus.publish('job.1', { data: 'a' });
    await bus.complete('job.1');
    expect((await ended)?.data).toBe('a');
    await lastValueFrom(bus.stream('job.1'), { defaultValue: undefined });
  });

  it.each(['', '$x', [], undefined])('refuses a topic that is none: %j', async (topic) => {
    const { bus } = await start();
    await expect(bus.complete(topic as string)).rejects.toMatchObject({ code: 'BAD_TOPIC' });
    await expect(bus.publish('a', { type: '$complete', data: 1 })).rejects.toMatchObject({
      code: 'BAD_EVENT',
    });
  });
});
