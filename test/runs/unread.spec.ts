import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Cursor, EventRecord, PublishOptions } from 'nestjs-event-stream';
import { Broker, BrokerBackplane } from '../backplane/broker.js';
import { all, deferred, type Instance, RunsBench, texts } from './instances.js';

/** Orders a claim, and does not tell this instance of it before something else has happened. */
class ForestalledBackplane extends BrokerBackplane {
  /** What happens meanwhile, once. */
  meanwhile: (() => Promise<unknown>) | undefined;
  #isWithheld = false;

  override async publish(record: EventRecord, options: PublishOptions = {}): Promise<Cursor> {
    const { meanwhile } = this;
    const isClaim = options.idempotencyKey?.startsWith('$run-claim.') === true;
    if (!isClaim || meanwhile === undefined) return super.publish(record, options);
    this.meanwhile = undefined;
    this.#isWithheld = true;
    const cursor = await super.publish(record, options);
    this.#isWithheld = false;
    await meanwhile();
    return cursor;
  }

  protected override deliver(offset: number, record: EventRecord): void {
    if (!this.#isWithheld) super.deliver(offset, record);
  }
}

describe('A claim that its own instance never reads', () => {
  let bench: RunsBench;
  let broker: Broker;
  let backplane: ForestalledBackplane;
  let instance: Instance;

  beforeEach(async () => {
    broker = new Broker();
    backplane = new ForestalledBackplane(broker);
    bench = new RunsBench(false, () => backplane);
    instance = await bench.start();
    // The next log is shorter for a long time.
    for (let n = 0; n < 20; n++) await instance.bus.publish('news', { data: n });
  });
  afterEach(() => bench.stop());

  it('is made again when its log has gone', async () => {
    backplane.meanwhile = () => broker.forget();
    expect(await instance.runs.start('chat.1', texts('a'))).toMatchObject({ isNew: true });
    const events = await all(await bench.connect(instance, '/runs/chat.1'));
    expect(events).toEqual(['a', 'run-end {"status":"done"}']);
  });

  it('is given up when the application shuts down', async () => {
    const ordered = deferred();
    const closed = deferred();
    backplane.meanwhile = () => {
      ordered.resolve();
      return closed.promise;
    };
    const starting = instance.runs.start('chat.1', texts('a'));
    await ordered.promise;
    await instance.app.close();
    closed.resolve();
    await expect(starting).rejects.toMatchObject({ code: 'BACKPLANE_CLOSED' });
  });
});
