import assert from 'node:assert/strict';
import { setTimeout as elapse } from 'node:timers/promises';
import { topicEnd } from '../log/topic-end.js';
import {
  type Check,
  type ConformanceBench,
  isSseError,
  numbers,
  positionOf,
} from './conformance-bench.js';
import { type Kept, MANY, offsetsOf, openKept, readAll, textsOf } from './conformance-kept.js';

/** A check that has nothing to say about a backplane without an archive. */
function check(name: string, run: (kept: Kept, bench: ConformanceBench) => Promise<void>): Check {
  return {
    name: `Archive, ${name}`,
    async check(bench) {
      const kept = await openKept(bench);
      if (kept !== undefined) await run(kept, bench);
    },
  };
}

async function checkBytes(bench: ConformanceBench): Promise<void> {
  const maxBytes = 40_000;
  const small = await openKept(bench, { archive: { maxBytes } });
  assert(small !== undefined, 'there is an archive');
  const offsets: number[] = [];
  for (const number of numbers(60)) {
    offsets.push(await small.add(`all.${number % 2}`, 'x'.repeat(1_000)));
  }
  const { events, lost } = await small.read(['all.0', 'all.1'], { after: (offsets[0] ?? 1) - 1 });
  assert(
    events.length > 0 && events.length <= maxBytes / 1_000,
    `${events.length} events are kept`,
  );
  assert.deepEqual(offsetsOf(events), offsets.slice(-events.length), 'the newest are kept');
  assert.equal(lost, offsets.at(-1 - events.length), 'the last offset that was dropped');
}

/** A loss is seen also if another topic has lost a later event before. */
async function checkLosses({ add, read }: Kept): Promise<void> {
  await add('few.3', 'the first');
  for (const number of numbers(5)) await add('few.4', `${number}`);
  const both = ['few.3', 'few.4'];
  const before = await read(both);
  for (const number of numbers(3)) await add('few.3', `${number}`);
  const after = await read(both);
  assert.equal(after.lost, before.lost, 'what another topic lost before');
  assert(after.losses > before.losses, `losses: ${before.losses}, then ${after.losses}`);
}

async function checkUnkept({ add, read }: Kept, bench: ConformanceBench): Promise<void> {
  const withRule = await add('all.5', 'kept');
  const plain = await bench.open({ maxEvents: 5 });
  const missing = positionOf(await plain.publish('not kept', undefined, { topics: ['all.5'] }));
  const { lost } = await read(['all.5'], { after: withRule });
  assert(lost >= missing.offset, `${missing.offset} was not kept, and ${lost} is told to be lost`);
  const later = await add('all.5', 'kept again');
  const page = await read(['all.5'], { after: missing.offset });
  assert.deepEqual(offsetsOf(page.events), [later], 'what was published under the rule again');
  assert(page.lost < later, `${page.lost} is told to be lost, and ${later} is there`);
  assert(page.lost >= missing.offset, `only ${page.lost} is told to be lost`);
}

async function checkEnded({ add, read, sink }: Kept, forget: () => Promise<void>): Promise<void> {
  const offset = await add('all.6', 'kept');
  const { epoch } = sink;
  await forget();
  await sink.until('a new epoch', () => sink.epoch !== epoch);
  const { lost } = await read(['all.6'], { epoch, after: 0, upTo: offset });
  assert.equal(lost, offset, 'everything of an epoch that has ended is lost');
}

/** The lines of the contract of `Archive`. */
export const ARCHIVE_CHECKS: readonly Check[] = [
  check(
    "1. It has what `publish` acknowledged, until a bound of the topic's rule, or `archive.maxBytes`, removes it.",
    async (kept, bench) => {
      const { add, read, backplane, archive } = kept;
      for (const number of numbers(30)) {
        const offset = await add('all.1', `${number}`);
        const { events } = await read(['all.1'], { after: offset - 1 });
        assert.deepEqual(textsOf(events), [`${number}`], 'what was just acknowledged');
        await add('few.1', `${number}`);
      }
      const all = numbers(30).map(String);
      assert.deepEqual(textsOf((await read(['all.1'])).events), all, 'without a bound');
      assert.deepEqual(textsOf((await read(['few.1'])).events), all.slice(-3), 'keepEvents: 3');
      const except = { owner: 'ada', connection: 'one' };
      await kept.publish('not for ada', undefined, { topics: ['all.9'], except });
      const [excepting] = (await read(['all.9'])).events;
      assert.deepEqual({ ...excepting?.record.except }, except, 'who does not get it');
      const first = await add('short', 'first');
      await bench.within(
        'removing what keepFor does not allow',
        untilLost(kept, first, () => add('short', 'later')),
      );
      if (!backplane.isLocal) {
        const other = await openKept(bench);
        assert.deepEqual(textsOf((await other?.read(['all.1']))?.events ?? []), all, 'elsewhere');
      }
      const { events = 0, bytes = 0, topics = 0 } = await archive.size();
      assert([events, bytes, topics].every(Number.isFinite), 'how much it has are numbers');
      await checkBytes(bench);
    },
  ),
  check(
    '2. `read` gives the events of the topics in their order, each once, after one offset and up to another, and how ' +
      'far the page is complete: always further than it was asked for, also past what cannot be read.',
    async (kept) => {
      const { add, archive } = kept;
      const offsets: number[] = [];
      for (const number of numbers(30)) {
        const one = number % 3 === 0 ? 'all.1' : 'all.2';
        offsets.push(await add(number % 5 === 0 ? ['all.1', 'all.2', 'noise'] : one, `${number}`));
        if (number % 4 === 0) await add('noise', 'of no interest');
      }
      const head = offsets.at(-1) ?? 0;
      const both = ['all.2', 'all.1'];
      const texts = numbers(30).map(String);
      for (const maxEvents of [1, 7, 29, 30, MANY]) {
        const events = await readAll(kept, both, { upTo: head, maxEvents });
        assert.deepEqual(offsetsOf(events), offsets, `in pages of ${maxEvents}: their offsets`);
        assert.deepEqual(textsOf(events), texts, `in pages of ${maxEvents}: their data`);
      }
      const byBytes = await readAll(kept, both, { upTo: head, maxBytes: 1 });
      assert.deepEqual(offsetsOf(byBytes), offsets, 'in pages of one byte');
      const [after = 0, upTo = 0] = [offsets[4], offsets[20]];
      const part = await readAll(kept, both, { after, upTo, maxEvents: 3 });
      assert.deepEqual(offsetsOf(part), offsets.slice(5, 21), `after ${after}, up to ${upTo}`);
      const ones = texts.filter((_, number) => number % 3 === 0 || number % 5 === 0);
      const alone = await readAll(kept, ['all.1'], { upTo: head, maxEvents: 4 });
      assert.deepEqual(textsOf(alone), ones, 'of one topic');
      assert.deepEqual(await readAll(kept, ['all.3'], { upTo: head }), [], 'of an empty topic');
      assert.deepEqual([...(alone[0]?.record.topics ?? [])], ['all.1', 'all.2', 'noise'], 'topics');
      if (!archive.knowsRules) return;
      const rule = { pattern: 'all.*', matches: (topic: string) => /^all\.[^.]+$/.test(topic) };
      const matched = await readAll(kept, rule, { upTo: head, maxEvents: 7 });
      assert.deepEqual(offsetsOf(matched), offsets, 'of a rule');
    },
  ),
  check(
    '3. What is gone is told: `lost` is the last offset that one of the topics lost, and `losses` grows with each. An ' +
      'event that `keepLatestPerKey` replaced by a later one of its key is not lost. One that was published without ' +
      "the topic's rule is, whoever published it, and in an epoch that has ended all are.",
    async (kept, bench) => {
      const { add, read } = kept;
      const offsets: number[] = [];
      for (const number of numbers(10)) offsets.push(await add('few.1', `${number}`));
      await add('few.2', 'another');
      const { lost } = await read(['few.1']);
      assert.equal(lost, offsets.at(-4), 'the last event that keepEvents removed');
      assert.equal((await read(['few.2'])).lost, 0, 'of a topic that lost nothing');
      assert.equal((await read(['few.2', 'few.1'])).lost, lost, 'of both');
      assert.equal((await read(['few.1'], { after: lost })).lost, lost, 'whatever is asked for');
      for (const number of numbers(4)) {
        await add('keyed', `a${number}`, 'a');
        await add('keyed', `b${number}`, 'b');
      }
      const page = await read(['keyed']);
      assert.deepEqual(textsOf(page.events), ['a3', 'b3'], 'the last event of each key');
      assert.equal(page.lost, 0, 'what was replaced is not lost');
      await checkLosses(kept);
      if (!kept.backplane.isLocal) await checkUnkept(kept, bench);
      if (bench.forget !== undefined) await checkEnded(kept, bench.forget);
    },
  ),
  check(
    '4. `seek` gives the offset after which the last events at or before an offset, or those since a time, begin. The end ' +
      'of a topic, of type `$complete`, is none of the last events. What was lost before that time lies before it.',
    async (kept, bench) => {
      const { add, archive, read, sink } = kept;
      const selected = (topics: readonly string[]) => ({ topics, epoch: sink.epoch });
      const texts = numbers(10).map(String);
      const offsets: number[] = [];
      for (const text of texts)
        offsets.push(await add(Number(text) % 2 === 0 ? 'all.1' : 'all.2', text));
      const both = ['all.1', 'all.2'];
      for (const last of [1, 4, 10, 50]) {
        for (const [index, upTo] of offsets.entries()) {
          const start = archive.seek(selected(both), { last, upTo });
          const after = await bench.within('seek', start);
          const { events } = await read(both, { after, upTo });
          const expected = texts.slice(0, index + 1).slice(-last);
          assert.deepEqual(textsOf(events), expected, `the last ${last} up to ${upTo}`);
        }
      }
      await checkEnds(kept);
      const early = await add('few.1', 'early');
      for (const text of ['1', '2', '3']) await add('few.1', text);
      await elapse(20);
      const later = await add('few.2', 'later');
      const [event] = (await read(['few.2'])).events;
      const since = event?.record.at ?? assert.fail('an event has the time when it was published');
      const after = await archive.seek(selected(['few.1', 'few.2']), { since });
      assert(after < later && after >= later - 1, `${after} is where what is since begins`);
      const before = await archive.seek(selected(['few.1']), { since: since - 86_400_000 });
      assert(before < early, `${before} is before what was lost since that time`);
    },
  ),
  check(
    '5. `latest` gives the last event at or before an offset.',
    async ({ add, archive, sink }) => {
      const first = await add('all.1', 'first');
      const second = await add('all.2', 'second');
      await add('noise', 'of no interest');
      const third = await add('all.1', 'third');
      const latest = async (topics: string[], upTo: number) => {
        const event = await archive.latest({ topics, epoch: sink.epoch }, upTo);
        return event === undefined ? undefined : [event.offset, event.record.text];
      };
      const both = ['all.1', 'all.2'];
      assert.deepEqual(await latest(both, third), [third, 'third'], 'at the offset');
      assert.deepEqual(await latest(both, third - 1), [second, 'second'], 'before the offset');
      assert.deepEqual(await latest(['all.1'], third - 1), [first, 'first'], 'of one topic');
      assert.equal(await latest(both, first - 1), undefined, 'before all of them');
    },
  ),
  check(
    '6. Each of them rejects, with an `SseError` and within a bound, when the store cannot be asked.',
    async ({ add, archive, sink }, bench) => {
      await add('all.1', 'kept');
      if (bench.interrupt === undefined) return;
      const topics = { topics: ['all.1'], epoch: sink.epoch };
      const bounds = { after: 0, upTo: 1, maxEvents: 1, maxBytes: 1 };
      const restore = await bench.interrupt();
      try {
        const asked = [
          archive.read({ ...topics, ...bounds }),
          archive.seek(topics, { last: 1, upTo: 1 }),
          archive.latest(topics, 1),
        ];
        for (const outcome of await bench.within('asking', Promise.allSettled(asked))) {
          assert.equal(outcome.status, 'rejected', 'it answered');
          assert(isSseError(outcome.reason), `it rejected with ${String(outcome.reason)}`);
        }
      } finally {
        await restore();
      }
    },
  ),
];

/** Ends of a topic count for nothing, wherever they are. */
async function checkEnds({ add, archive, backplane, read, sink }: Kept): Promise<void> {
  const topics = ['all.3'];
  const end = async () => positionOf(await backplane.publish(topicEnd(topics))).offset;
  const ends = [await end()];
  const offsets = [await add(topics, 'first')];
  ends.push(await end(), await end());
  for (const text of ['second', '']) offsets.push(await add(topics, text));
  ends.push(await end());
  for (const [upTo, count] of [
    [ends[0] ?? 0, 0],
    [ends[2] ?? 0, 1],
    [offsets[1] ?? 0, 2],
    [ends[3] ?? 0, 3],
  ] as const) {
    for (const last of [1, 2, 3]) {
      const after = await archive.seek({ topics, epoch: sink.epoch }, { last, upTo });
      const { events } = await read(topics, { after, upTo });
      const found = offsetsOf(events).filter((offset) => !ends.includes(offset));
      const expected = offsets.slice(Math.max(count - last, 0), count);
      assert.deepEqual(
        found,
        expected,
        `the last ${last} up to ${upTo}, of a topic that has ended`,
      );
    }
  }
}

/** Resolves when the event at an offset has left its topic, and that is told. */
async function untilLost(
  { read }: Kept,
  offset: number,
  again: () => Promise<unknown>,
): Promise<void> {
  for (;;) {
    const { events, lost } = await read(['short']);
    if (!offsetsOf(events).includes(offset)) {
      assert(lost >= offset, `${offset} is gone, and ${lost} is the last that is told to be`);
      return;
    }
    await elapse(5);
    await again();
  }
}
