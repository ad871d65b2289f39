import { expect, it } from '@jest/globals';
import type { ReceivedEvent } from 'nestjs-event-stream/testing';
import { until } from '../support/until.js';
import { all, deferred, eachBackplane, type Instance, texts, told } from './instances.js';

const DONE = 'run-end {"status":"done"}';
const SHORT_LIVED = { keepFor: 20, lease: 100 };

/** How long ago it was: its events are still there, or the store has nothing of it any more. */
const AGES = [
  ['a moment', false],
  ['so long that nothing of it is left', true],
] as const;

eachBackplane((bench) => {
  async function hasExpired(at: readonly Instance[], id: string): Promise<void> {
    for (const { runs } of at)
      await until('its time is over', () => runs.list().every((run) => run.id !== id));
  }

  async function isForgotten({ bus }: Instance, id: string): Promise<void> {
    await until('the store has nothing of it', async () => {
      await bus.publish('noise', { data: 0 });
      const page = await bus.readKept(`$run.whole.${id}`, 0, bus.log.head, () => true);
      return page?.entries.length === 0;
    });
  }

  /** Starts a run of three, the last of which it emits when it is told to. */
  async function startInPart({ runs }: Instance): Promise<() => void> {
    const go = deferred();
    await runs.start('chat.1', async function* () {
      yield* texts('a', 'b');
      await go.promise;
      yield 'c';
    });
    return go.resolve;
  }

  /** The first two events of a run of three, at a client that has gone since. */
  async function readInPart([one, two]: readonly Instance[]): Promise<ReceivedEvent> {
    if (one === undefined || two === undefined) throw new Error('There are two');
    const end = await startInPart(one);
    const client = await bench.connect(two, '/runs/chat.1');
    const [, second] = await client.take(2);
    client.close();
    end();
    await hasExpired([one, two], 'chat.1');
    if (second === undefined) throw new Error('There were two');
    return second;
  }

  it.each(AGES)(
    'tells a gap, and then the next one of its id, to who has read a part of one that has expired: %s ago',
    async (_, isLongAgo) => {
      const instances = await bench.startTwo({
        ...{ runs: SHORT_LIVED, sse: { history: { maxEvents: 5 } } },
      });
      const [one, two] = instances;
      const { lastEventId } = await readInPart(instances);
      if (isLongAgo) await isForgotten(one, 'chat.1');
      expect((await bench.connect(two, '/runs/chat.1', lastEventId)).status).toBe(204);
      await two.runs.start('chat.1', texts('x', 'y'), { keepFor: 60_000 });
      for (const at of [one, two]) {
        const back = await bench.connect(at, '/runs/chat.1', lastEventId);
        const gap = await back.next();
        expect(gap.type).toBe('gap');
        expect(gap.json()).toEqual({
          ...{ reason: 'trimmed', requested: lastEventId, resumedAt: gap.lastEventId },
        });
        expect(await all(back)).toEqual(['x', 'y', DONE]);
        const again = await bench.connect(at, '/merged/chat.1', gap.lastEventId);
        expect(await all(again)).toEqual(['xy', DONE]);
      }
    },
  );

  it('tells no gap to who has read the one before to its end, nor to who is new', async () => {
    const [one, two] = await bench.startTwo({ runs: SHORT_LIVED });
    const end = await startInPart(one);
    const client = await bench.connect(two, '/runs/chat.1');
    expect(told(await client.take(2))).toEqual(['a', 'b']);
    end();
    expect(await all(client)).toEqual(['c', DONE]);
    await hasExpired([one, two], 'chat.1');
    await one.runs.start('chat.1', texts('x'), { keepFor: 60_000 });
    for (const place of [client.lastEventId, undefined])
      expect(await all(await bench.connect(two, '/runs/chat.1', place))).toEqual(['x', DONE]);
  });

  it('tells it at once to who waits for the next one', async () => {
    const instances = await bench.startTwo({ runs: SHORT_LIVED });
    const [one, two] = instances;
    const { lastEventId } = await readInPart(instances);
    const waiting = await bench.connect(two, '/awaited/chat.1', lastEventId);
    expect(await waiting.next()).toMatchObject({ type: 'gap' });
    await one.runs.start('chat.1', texts('x'), { keepFor: 60_000 });
    expect(await all(waiting)).toEqual(['x', DONE]);
  });

  it('goes on with what else is on the connection, and ends what was over', async () => {
    const [one, two] = await bench.startTwo({ runs: SHORT_LIVED });
    const path = '/several/over,chat.1,other';
    await one.runs.start('over', texts('o'), { keepFor: 60_000 });
    await until('it is over', () => two.runs.get('over')?.status === 'done');
    const end = await startInPart(one);
    await until('they are there', () => one.runs.get('chat.1')?.events === 2);
    await one.runs.start('other', texts('p', 'q'), { keepFor: 60_000 });
    const client = await bench.connect(two, path);
    const events = await client.take(7);
    expect(told(events)).toEqual(['o', DONE, 'a', 'b', 'p', 'q', DONE]);
    client.close();
    end();
    await hasExpired([one, two], 'chat.1');
    await one.runs.start('chat.1', texts('x'), { keepFor: 60_000 });
    // Where it had read the first part.
    const back = await bench.connect(two, path, events[2]?.lastEventId);
    const [gap, ...rest] = await all(back);
    expect(gap).toContain('gap {"reason":"trimmed"');
    expect(rest).toEqual(['p', 'q', DONE, 'x', DONE]);
  });

  if (!bench.isShared)
    it('tells a gap to who has read a part of one of a log that has gone', async () => {
      const before = await bench.start();
      await before.runs.start('chat.1', texts('a', 'b'));
      const client = await bench.connect(before, '/runs/chat.1');
      const { lastEventId } = await client.next();
      const after = await bench.start();
      await after.runs.start('chat.1', texts('x'));
      const back = await bench.connect(after, '/runs/chat.1', lastEventId);
      const gap = await back.next();
      expect(gap.json()).toMatchObject({ reason: 'epoch', requested: lastEventId });
      expect(await all(back)).toEqual(['x', DONE]);
    });
});
