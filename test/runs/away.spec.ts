import { afterEach, describe, expect, it } from '@jest/globals';
import type { CatchUpOptions, Cursor, EventRecord, PublishOptions } from 'nestjs-event-stream';
import { firstValueFrom } from 'rxjs';
import { setTimeout as elapse } from 'node:timers/promises';
import { Broker, BrokerBackplane } from '../backplane/broker.js';
import { OWNERS_TOPIC } from '../../src/runs/run-topics.js';
import { all, deferred, RunsBench, told, waitForAbort } from './instances.js';

const LEASE = 1_000;

/** One whose broker answers nothing for a while. */
class HangingBackplane extends BrokerBackplane {
  #answers = Promise.resolve();

  /** Gives what lets it answer again. */
  hang(): () => void {
    const { promise, resolve } = deferred();
    this.#answers = promise;
    return resolve;
  }

  override async publish(record: EventRecord, options: PublishOptions = {}): Promise<Cursor> {
    await this.#answers;
    return super.publish(record, options);
  }

  override async catchUp(_options?: CatchUpOptions): Promise<void> {
    await this.#answers;
  }
}

describe('a run while the broker answers nobody', () => {
  const broker = new Broker();
  const backplanes = [new HangingBackplane(broker), new HangingBackplane(broker)] as const;
  let started = 0;
  const bench = new RunsBench(true, () => backplanes[started++]);
  afterEach(() => bench.stop());

  it('is not lost for that, if its owner comes back to the broker later than others', async () => {
    const [one, two] = await bench.startTwo({ runs: { lease: LEASE } });
    const go = deferred();
    await one.runs.start('chat.1', async ({ emit, signal }) => {
      await emit('a');
      await go.promise;
      await emit('b');
      await waitForAbort(signal);
    });
    const reading = await bench.connect(two, '/runs/chat.1');
    expect(told(await reading.take(1))).toEqual(['a']);
    await firstValueFrom(two.bus.follow(OWNERS_TOPIC));
    const [answerOwner, answerOther] = backplanes.map((backplane) => backplane.hang());
    await elapse(LEASE * 0.9);
    answerOther?.();
    await elapse(LEASE * 0.15);
    answerOwner?.();
    go.resolve();
    expect(told(await reading.take(1))).toEqual(['b']);
    expect(await two.runs.stop('chat.1')).toMatchObject({ status: 'stopped', events: 2 });
    expect(await all(reading)).toEqual(['run-end {"status":"stopped"}']);
  });
});
