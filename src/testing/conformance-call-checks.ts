import assert from 'node:assert/strict';
import { setTimeout as elapse } from 'node:timers/promises';
import { type Check, isSseError, numbers, positionOf, reach } from './conformance-bench.js';

/** Milliseconds in which a closed instance would have received what it must not. */
const SETTLING = 100;
/** Milliseconds that closing may take. */
const CLOSING = 1_000;

async function untilItResolves(publish: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await publish();
      return;
    } catch {
      await elapse(20);
    }
  }
}

/** The lines of the contract about what callers may rely on. */
export const CALL_CHECKS: readonly Check[] = [
  {
    name:
      '8. `publish` resolves with the cursor once the event is ordered and kept, or rejects within a bound with an ' +
      '`SseError`: `PUBLISH_OUTCOME_UNKNOWN` if the event may have been kept, any other if it was not; it never ' +
      'throws.',
    async check(bench) {
      const instances = await bench.openAll();
      const [{ backplane, publish }] = instances;
      const { offset } = positionOf(await publish('kept'));
      await reach(instances, offset);
      for (const { sink } of instances) assert.equal(sink.held.get(offset), 'kept');
      if (bench.interrupt === undefined) return;
      const restore = await bench.interrupt();
      let error: unknown;
      try {
        const record = { topics: ['t'], text: 'lost', isJson: false };
        const outcome = backplane.publish(record).then(
          () => undefined,
          (error: unknown) => error,
        );
        error = await bench.within('publish', outcome);
        assert(isSseError(error), `it rejected with ${String(error)}`);
      } finally {
        await restore();
      }
      await bench.within(
        'publishing again',
        untilItResolves(() => publish('and goes on')),
      );
      await backplane.catchUp({ atOnce: true });
      if (isSseError(error, 'PUBLISH_OUTCOME_UNKNOWN')) return;
      for (const { sink } of instances) {
        assert(
          ![...sink.held.values()].includes('lost'),
          'what was not published came all the same',
        );
      }
    },
  },
  {
    name: '9. Publishes of one caller keep their order.',
    async check(bench) {
      const instances = await bench.openAll();
      const [{ publish }] = instances;
      const texts = numbers(500).map((number) => `number ${number}`);
      const positions = (await Promise.all(texts.map((text) => publish(text)))).map(positionOf);
      for (const [index, { offset }] of positions.entries()) {
        if (index > 0)
          assert((positions[index - 1]?.offset ?? 0) < offset, `event ${index} overtook`);
      }
      await reach(instances, positions.at(-1)?.offset ?? 0);
      for (const { sink } of instances) {
        assert.deepEqual([...sink.held.values()], texts, 'the order in which they come back');
      }
    },
  },
  {
    name: '10. A publish whose `idempotencyKey` was used before gives the first cursor and adds nothing.',
    async check(bench) {
      const instances = await bench.openAll();
      const [{ publish }] = instances;
      const first = await publish('once', { idempotencyKey: 'a' });
      for (const { publish: publishAgain } of instances) {
        const cursors = await Promise.all([
          publishAgain('twice', { idempotencyKey: 'a' }),
          publishAgain('thrice', { idempotencyKey: 'a' }),
        ]);
        assert.deepEqual(cursors, [first, first], 'the cursor of a repeated publish');
      }
      const other = await publish('another', { idempotencyKey: 'b' });
      assert.equal(
        positionOf(other).offset,
        positionOf(first).offset + 1,
        'nothing was added between',
      );
    },
  },
  {
    name:
      '11. `close` ends everything that `open` began, waits for nothing that may never come, and can be called ' +
      'twice; afterwards `publish` rejects.',
    async check(bench) {
      const [closed, ...others] = await bench.openAll();
      await closed.publish('before');
      await bench.within('close', closed.backplane.close(), CLOSING);
      await bench.within('close', closed.backplane.close(), CLOSING);
      const outcome = closed.publish('after').then(
        () => 'nothing',
        (error: unknown) => error,
      );
      const error = await outcome;
      assert(isSseError(error, 'BACKPLANE_CLOSED'), `publish rejected with ${String(error)}`);
      const told = closed.sink.calls.length;
      for (const { publish, sink } of others) {
        const { offset } = positionOf(await publish('to the others'));
        await sink.until('the other instance goes on', () => sink.head >= offset);
      }
      await elapse(SETTLING);
      assert.equal(closed.sink.calls.length, told, 'calls of a closed sink');
      if (bench.interrupt === undefined) return;
      const stuck = await bench.open();
      const restore = await bench.interrupt();
      try {
        await bench.within('close', stuck.backplane.close(), CLOSING);
      } finally {
        await restore();
      }
    },
  },
  {
    name: '12. `health` can be read at any time and never throws.',
    async check(bench) {
      const before = bench.make();
      assert.equal(before.health.isConnected, false, 'isConnected before open()');
      const { backplane, publish, sink } = await bench.open();
      const { offset } = positionOf(await publish('read'));
      await sink.until('the event comes back', () => sink.head >= offset);
      const { isConnected, lastReadAt, lagEvents, lagMs } = backplane.health;
      assert.equal(isConnected, true, 'isConnected');
      assert(lastReadAt instanceof Date, 'lastReadAt is a Date');
      assert(lagEvents >= 0 && lagMs >= 0, 'lagEvents and lagMs are numbers');
      await backplane.close();
      assert.equal(backplane.health.isConnected, false, 'isConnected after close()');
    },
  },
];
