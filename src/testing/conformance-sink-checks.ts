import assert from 'node:assert/strict';
import {
  type Check,
  type ConformanceBench,
  numbers,
  positionOf,
  publishEverywhere,
  reach,
} from './conformance-bench.js';
import type { SinkCall } from './recording-sink.js';

type Told = (call: SinkCall) => boolean;

/** `catchUp` of an instance whose broker comes back, and of one that is closed before. */
async function checkWhileAway(
  bench: ConformanceBench,
  interrupt: NonNullable<ConformanceBench['interrupt']>,
): Promise<void> {
  const [one, other] = [await bench.open(), await bench.open()];
  const restore = await interrupt();
  let hasResolved = false;
  const pending = one.backplane.catchUp().then(() => {
    hasResolved = true;
  });
  const closing = other.backplane.catchUp();
  try {
    // Whatever the instance tries meanwhile has failed by then.
    await one.publish('to nobody').catch(() => {});
    assert(!hasResolved, 'catchUp() resolved while the broker was away');
    await other.backplane.close();
    await bench.within('catchUp when closed', closing);
  } finally {
    await restore();
  }
  await bench.within('catchUp when the broker is back', pending);
}

/** The lines of the contract about what the sink is told. */
export const SINK_CHECKS: readonly Check[] = [
  {
    name: '1. Offsets grow by exactly one; two instances never disagree about an offset.',
    async check(bench) {
      const instances = await bench.openAll();
      const published = numbers(50).flatMap((number) =>
        instances.map(async (instance, index) => {
          const text = `${index}/${number}`;
          return { text, ...positionOf(await instance.publish(text)) };
        }),
      );
      const events = await Promise.all(published);
      const offsets = events.map(({ offset }) => offset).sort((a, b) => a - b);
      const first = offsets[0] ?? 0;
      assert.deepEqual(
        offsets,
        offsets.map((_, index) => first + index),
        'each event has the offset after that of another',
      );
      await reach(instances, first + events.length - 1);
      for (const { sink } of instances) {
        for (const { text, epoch, offset } of events) {
          assert.equal(sink.epoch, epoch, 'all instances are in one epoch');
          assert.equal(sink.held.get(offset), text, `the event at offset ${offset}`);
        }
      }
    },
  },
  {
    name: '2. A published event comes back through the sink, on the instance that published it as well.',
    async check(bench) {
      const instances = await bench.openAll();
      const except = { owner: 'ada', connection: 'one' };
      const trace = `00-${'0af7'.repeat(8)}-${'b7ad'.repeat(4)}-01`;
      for (const { publish } of instances) {
        const { offset } = positionOf(await publish('to everybody', undefined, { except, trace }));
        await reach(instances, offset);
        for (const { sink } of instances) {
          const times = sink.calls.filter(
            (call) => call.kind === 'append' && call.offset === offset,
          );
          assert.equal(times.length, 1, 'the event came through the sink once');
          const [call] = times;
          assert(call?.kind === 'append');
          assert.deepEqual([...call.record.topics], ['t'], 'its topics');
          assert.equal(call.record.text, 'to everybody', 'its data');
          assert.equal(call.record.isJson, false, 'that its data is a plain string');
          assert.deepEqual({ ...call.record.except }, except, 'who does not get it');
          assert.equal(call.record.trace, trace, 'the trace of who published it');
        }
      }
    },
  },
  {
    name: '3. What was lost is announced to the sink before anything newer.',
    async check(bench) {
      const instances = await bench.openAll();
      await publishEverywhere(instances, 5);
      if (bench.forget === undefined) return;
      const told = instances.map(({ sink }) => sink.calls.length);
      await bench.forget();
      const [first] = instances;
      await first.publish('after the loss');
      for (const [index, { sink }] of instances.entries()) {
        const isNewer: Told = (call) =>
          call.kind === 'append' && call.record.text === 'after the loss';
        await sink.until('the event after the loss comes through the sink', () =>
          sink.calls.some(isNewer),
        );
        const before = sink.calls.slice(told[index], sink.calls.findIndex(isNewer));
        assert(
          before.some(({ kind }) => kind !== 'append'),
          'reset() or lose() came before the newer event',
        );
      }
    },
  },
  {
    name: '4. `open` resets the sink once, appends the retained tail, and resolves when the instance has caught up.',
    async check(bench) {
      const first = await bench.open();
      assert.deepEqual(
        first.sink.calls.map(({ kind }) => kind),
        ['reset'],
        'a new log is one reset()',
      );
      if (first.backplane.isLocal) return;
      await publishEverywhere([first], 20);
      const { sink } = await bench.open({ maxEvents: 5 });
      assert.equal(sink.head, first.sink.head, 'the head of an instance that has caught up');
      assert.equal(sink.calls[0]?.kind, 'reset', 'what the sink is told first');
      assert.equal(sink.calls.filter(({ kind }) => kind === 'reset').length, 1, 'calls of reset()');
      assert(sink.held.size >= 1, 'the tail is not empty');
      for (const [offset, text] of sink.held) assert.equal(text, first.sink.held.get(offset));
    },
  },
  {
    name: '5. An epoch is never used for two logs: when events that were handed out are gone, a new epoch begins.',
    async check(bench) {
      const instances = await bench.openAll();
      await publishEverywhere(instances, 5);
      const { epoch, head } = instances[0].sink;
      await bench.forget?.();
      for (const { backplane } of instances) await backplane.close();
      const again = await bench.open();
      const next = positionOf(await again.publish('in a later life'));
      const isContinued = bench.forget === undefined && next.offset > head;
      assert(next.epoch !== epoch || isContinued, `${epoch}.${next.offset} was another event`);
    },
  },
  {
    name: '6. Epochs grow: compared as strings, that of a later log is greater.',
    async check(bench) {
      const { sink, backplane } = await bench.open();
      let { epoch } = sink;
      if (bench.forget !== undefined) {
        await bench.forget();
        await sink.until('another log begins', () => sink.epoch !== epoch);
        assert(sink.epoch > epoch, `'${sink.epoch}' came after '${epoch}'`);
        ({ epoch } = sink);
      }
      await backplane.close();
      await bench.forget?.();
      const again = await bench.open();
      assert(again.sink.epoch >= epoch, `'${again.sink.epoch}' came after '${epoch}'`);
    },
  },
  {
    name:
      '7. `catchUp` resolves when the sink has everything that was ordered when it was called, and never rejects: ' +
      'while the broker is away it stays pending, and `close` ends that. With `atOnce` it also counts what this ' +
      'instance had begun to publish, and does not wait for an occasion to ask the broker.',
    async check(bench) {
      const instances = await bench.openAll();
      for (const { backplane, publish, sink } of instances) {
        const publishing = publish('on its way');
        await bench.within('catchUp at once', backplane.catchUp({ atOnce: true }));
        const { offset } = positionOf(await publishing);
        assert(sink.head >= offset, 'catchUp() at once resolved before what was on its way');
      }
      for (const { publish } of instances) {
        const { offset } = positionOf(await publish('ordered'));
        for (const { backplane, sink } of instances) {
          await bench.within('catchUp', backplane.catchUp());
          assert(sink.head >= offset, `catchUp() resolved at ${sink.head}, before ${offset}`);
        }
      }
      if (bench.interrupt !== undefined) await checkWhileAway(bench, bench.interrupt);
      const [{ backplane }] = instances;
      await backplane.close();
      await bench.within('catchUp after close', backplane.catchUp());
    },
  },
];
