import { expect, it } from '@jest/globals';
import { lastValueFrom, of, toArray } from 'rxjs';
import type { Merge } from '../../src/runs/merges.js';
import { until } from '../support/until.js';
import { all, deferred, eachBackplane, joinTexts, told } from './instances.js';

const DONE = 'run-end {"status":"done"}';

interface Part {
  readonly delta: { text: string };
}

/** How the tail is: all of a run is in it, or nearly nothing is. */
const TAILS = [
  ['in memory', 50_000],
  ['in the archive', 5],
] as const;

eachBackplane((bench) => {
  it.each(TAILS)('gives thousands of tokens in a few events: it is %s', async (_, maxEvents) => {
    const [one, two] = await bench.startTwo({ sse: { history: { maxEvents } } });
    const tokens = Array.from({ length: 2_000 }, (_, n) => `${n} `);
    await one.runs.start('chat.1', of(...tokens));
    await until('it has ended', () => two.runs.get('chat.1')?.status === 'done');
    for (const at of [two, two, one]) {
      const events = await all(await bench.connect(at, '/merged/chat.1'));
      expect(events.pop()).toBe(DONE);
      expect(events.join('')).toBe(tokens.join(''));
      expect(events.length).toBeLessThan(12);
    }
    // Others get it as it was emitted.
    const whole = await lastValueFrom(two.runs.stream('chat.1').pipe(toArray()));
    expect(whole).toHaveLength(2_001);
  });

  it('gives exactly the rest to who comes back, wherever that is', async () => {
    const [one, two] = await bench.startTwo();
    const tokens = Array.from({ length: 12 }, (_, n) => `${n} `);
    await one.runs.start('chat.1', of(...tokens));
    const ids: string[] = [];
    for await (const { lastEventId } of await bench.connect(one, '/runs/chat.1'))
      ids.push(lastEventId);
    for (const [index, id] of ids.entries()) {
      const rest = tokens.slice(index + 1).join('');
      const client = await bench.connect(two, '/merged/chat.1', id);
      if (index === 12) expect(client.status).toBe(204);
      else expect(await all(client)).toEqual([...(rest === '' ? [] : [rest]), DONE]);
    }
    const client = await bench.connect(one, '/merged/chat.1');
    expect(await client.next()).toMatchObject({ data: tokens.join(''), lastEventId: ids[11] });
  });

  it('leaves what is live as it is, and merges it for who comes later', async () => {
    const [one, two] = await bench.startTwo();
    const go = [deferred(), deferred(), deferred()];
    await one.runs.start('chat.1', async function* () {
      yield* ['a', 'b'];
      for (const { promise } of go) {
        await promise;
        yield* ['c', 'd'];
      }
    });
    const plain = await bench.connect(two, '/runs/chat.1');
    await plain.take(2);
    const first = await bench.connect(two, '/merged/chat.1');
    expect(told(await first.take(1))).toEqual(['ab']);
    for (const [index, { resolve }] of go.entries()) {
      resolve();
      await plain.take(2);
      expect(told(await first.take(2))).toEqual(['c', 'd']);
      const late = await bench.connect(two, '/merged/chat.1');
      expect(told(await late.take(1))).toEqual([`ab${'cd'.repeat(index + 1)}`]);
    }
    for (const client of [plain, first]) expect(await all(client)).toEqual([DONE]);
  });

  it('keeps events apart that are not one, and the order among streams of a connection', async () => {
    const one = await bench.start({ sse: { history: { topics: [{ match: 'news' }] } } });
    await one.runs.start('chat.1', async ({ emit }) => {
      await one.bus.publish('news', { data: 'x' });
      await emit('a');
      await emit('b');
      await one.bus.publish('news', { data: 'y' });
      await emit('c');
      await emit({ type: 'tool', data: 'd' });
      await emit('e');
      await emit('f');
    });
    await until('it has ended', () => one.runs.get('chat.1')?.status === 'done');
    for (let turn = 0; turn < 2; turn++) {
      const client = await bench.connect(one, '/merged-with-news/chat.1');
      expect(told(await client.take(7))).toEqual(['x', 'ab', 'y', 'c', 'tool d', 'ef', DONE]);
      client.close();
      const alone = await bench.connect(one, '/merged/chat.1');
      expect(await all(alone)).toEqual(['abc', 'tool d', 'ef', DONE]);
    }
  });

  it.each(['throws', 'odd', 'promise', 'unwritten'])(
    'tells a run as it was emitted if its merge fails, and says so once: it %s',
    async (how) => {
      const one = await bench.start();
      const merge = (...events: Parameters<typeof joinTexts>) => joinTexts(...events);
      for (const id of ['chat.1', 'chat.2']) {
        await one.runs.start(id, of('a', 'b', how, 'c', 'd'));
        await until('it has ended', () => one.runs.get(id)?.status === 'done');
        const stream = one.runs.stream(id, { merge }).pipe(toArray());
        const events = (await lastValueFrom(stream)).map(({ data }) => data).slice(0, -1);
        expect(events.map(String).join('')).toBe(`ab${how}cd`);
        expect(events.slice(-2)).toEqual(['c', 'd']);
      }
      expect(one.logs.find('error', 'merge of runs.stream() failed')).toHaveLength(1);
    },
  );

  /** What a `merge` says that refuses. */
  const REFUSALS: [string, Merge][] = [
    ['undefined', () => undefined],
    [
      'throws',
      () => {
        throw new Error('too long');
      },
    ],
  ];

  it.each(REFUSALS)(
    'has nothing twice if its merge changes what it is given, and then: %s',
    async (_, refuse) => {
      const { runs } = await bench.start();
      await runs.start('chat.1', of(...Array.from('abcdefgh')));
      await until('it has ended', () => runs.get('chat.1')?.status === 'done');
      const merge: Merge = (a, b) => {
        Object.assign(a, { data: `${String(a.data)}${String(b.data)}` });
        return String(a.data).length > 3 ? refuse(a, b) : a;
      };
      const events = await lastValueFrom(runs.stream('chat.1', { merge }).pipe(toArray()));
      const texts = events.slice(0, -1).map(({ data }) => data as string);
      expect(texts.join('')).toBe('abcdefgh');
      expect(texts[0]).toBe('abc');
    },
  );

  it.each(REFUSALS)(
    'has nothing twice if its merge changes what is in the data that it is given, and then: %s',
    async (_, refuse) => {
      const { runs } = await bench.start();
      const parts = Array.from('abcdefgh', (text): Part => ({ delta: { text } }));
      await runs.start('chat.1', of(...parts));
      await until('it has ended', () => runs.get('chat.1')?.status === 'done');
      const merge: Merge = (a, b) => {
        const [before, next] = [a.data as Part, b.data as Part];
        before.delta.text += next.delta.text;
        next.delta.text = '';
        return before.delta.text.length > 3 ? refuse(a, b) : a;
      };
      // The second one is given what was made for the first.
      for (let turn = 0; turn < 2; turn++) {
        const events = await lastValueFrom(runs.stream('chat.1', { merge }).pipe(toArray()));
        const texts = events.slice(0, -1).map(({ data }) => (data as Part).delta.text);
        expect(texts.join('')).toBe('abcdefgh');
        if (turn === 0) expect(texts[0]).toBe('abc');
      }
    },
  );

  it('makes no event too large', async () => {
    const { runs } = await bench.start();
    await runs.start('chat.1', of(...Array.from({ length: 30 }, () => 'x'.repeat(10_000))));
    await until('it has ended', () => runs.get('chat.1')?.status === 'done');
    const stream = runs.stream('chat.1', { merge: joinTexts }).pipe(toArray());
    const texts = (await lastValueFrom(stream)).slice(0, -1).map(({ data }) => data as string);
    expect(texts.map(({ length }) => length)).toEqual(Array.from({ length: 5 }, () => 60_000));
    await runs.start('chat.2', of('a', 'b'));
    await until('it has ended', () => runs.get('chat.2')?.status === 'done');
    const merge = () => ({ data: 'x'.repeat(200_000) });
    const events = await lastValueFrom(runs.stream('chat.2', { merge }).pipe(toArray()));
    expect(events.slice(0, -1).map(({ data }) => data)).toEqual(['a', 'b']);
  });

  it('refuses what is no function, and goes with no protocol of others', async () => {
    const { runs } = await bench.start();
    expect(() => runs.stream('a', { merge: 7 as never })).toThrow(/merge/);
    expect(() => runs.stream('a', null as never)).toThrow(/options/);
    expect(() => runs.stream('a', { as: 'ai-sdk', merge: joinTexts } as never)).toThrow(/merge/);
  });
});
