import { afterEach, describe, expect, it } from '@jest/globals';
import { SseError } from 'nestjs-event-stream';
import type { Cursor, EventRecord, PublishOptions } from 'nestjs-event-stream';
import { MemoryBackplane } from '../../src/backplane/memory.backplane.js';
import { all, RunsBench } from './instances.js';

type Fate = 'kept' | 'kept unheard' | 'lost' | 'late' | 'away' | 'refused';

/** Decides of each event of a run what becomes of it; those behind one that failed are not published. */
class FaithlessBackplane extends MemoryBackplane {
  readonly #broken = new Set<string>();
  #late: EventRecord[] = [];

  constructor(private readonly fates: Fate[]) {
    super();
  }

  override async publish(record: EventRecord, options: PublishOptions = {}): Promise<Cursor> {
    const { sequence } = options;
    if (sequence === undefined) {
      const cursor = await super.publish(record, options);
      // What was sent on a connection that is gone may still arrive, whenever it likes.
      for (const late of this.#late.splice(0)) await super.publish(late);
      this.#broken.clear();
      return cursor;
    }
    if (this.#broken.has(sequence)) throw new SseError('BACKPLANE_UNAVAILABLE', 'behind it');
    const fate = this.fates.shift() ?? 'kept';
    if (fate !== 'kept') {
      this.#broken.add(sequence);
      setImmediate(() => this.#broken.delete(sequence));
    }
    if (fate === 'refused') throw new SseError('BAD_EVENT', 'refused');
    if (fate === 'kept unheard' || fate === 'kept') {
      const cursor = await super.publish(record, options);
      if (fate === 'kept') return cursor;
    }
    if (fate === 'late') this.#late.push(record);
    const code = fate === 'away' ? 'BACKPLANE_UNAVAILABLE' : 'PUBLISH_OUTCOME_UNKNOWN';
    throw new SseError(code, fate);
  }
}

describe('What a run has emitted, and nobody knows what has become of it', () => {
  let bench: RunsBench;
  afterEach(() => bench.stop());

  async function tokensAfter(...fates: Fate[]): Promise<string[]> {
    bench = new RunsBench(false, () => new FaithlessBackplane(fates));
    const instance = await bench.start();
    await instance.runs.start('chat.1', async function* () {
      // Some are the same, and in one turn.
      yield* ['a', 'a', 'b', 'a'];
      await new Promise((resolve) => setTimeout(resolve, 1));
      yield* ['c', 'a', 'a'];
    });
    return all(await bench.connect(instance, '/runs/chat.1'));
  }

  const whole = [...Array.from('aabacaa'), 'run-end {"status":"done"}'];

  it.each<Fate[][]>([
    [['kept unheard']],
    [['lost']],
    [['late']],
    [['away']],
    [['kept', 'kept unheard']],
    [['kept', 'kept', 'late', 'late', 'kept unheard', 'lost']],
    [['kept unheard', 'kept unheard', 'kept unheard', 'kept unheard', 'kept unheard']],
    [['late', 'kept', 'late', 'kept', 'late', 'kept', 'late', 'kept', 'late', 'kept']],
    [['kept', 'kept', 'kept', 'kept', 'away', 'kept unheard', 'late']],
  ])('is in it once, in its order: %j', async (fates) => {
    expect(await tokensAfter(...fates)).toEqual(whole);
  });

  it('is its end, if it was refused: nothing is left out in the middle', async () => {
    expect(await tokensAfter('kept', 'refused')).toEqual([
      'a',
      'run-end {"status":"failed","error":"Internal server error"}',
    ]);
  });
});
