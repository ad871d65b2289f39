import { afterEach, describe, expect, it, jest } from '@jest/globals';
import type {
  Archive,
  ArchivedEvent,
  ArchivePage,
  ArchiveQuery,
  ArchiveSize,
  ArchiveStart,
  ArchiveTopics,
} from '../../src/backplane/archive.js';
import { merge } from 'rxjs';
import { MemoryBackplane } from '../../src/backplane/memory.backplane.js';
import type { MemoryArchive } from '../../src/backplane/memory-archive.js';
import type { TopicRetention } from '../../src/log/retention.js';
import { matching } from '../../src/log/matching.js';
import { Desk, turns } from '../reader/recording-connection.js';

/** The archive in memory, as the test lets it answer. */
class Answering implements Archive {
  readonly knowsRules = true;
  asked = 0;
  failure: Error | undefined;
  change = (page: ArchivePage): ArchivePage => page;

  constructor(private readonly archive: Archive) {}

  async read(query: ArchiveQuery): Promise<ArchivePage> {
    this.#ask();
    return this.change(await this.archive.read(query));
  }

  async seek(topics: ArchiveTopics, start: ArchiveStart): Promise<number> {
    this.#ask();
    return this.archive.seek(topics, start);
  }

  async latest(topics: ArchiveTopics, upTo: number): Promise<ArchivedEvent | undefined> {
    this.#ask();
    return this.archive.latest(topics, upTo);
  }

  async size(): Promise<ArchiveSize> {
    return this.archive.size();
  }

  #ask(): void {
    this.asked++;
    if (this.failure !== undefined) throw this.failure;
  }
}

class AnsweringBackplane extends MemoryBackplane {
  #answering: Answering | undefined;

  get answering(): Answering {
    const archive = super.archive;
    if (archive === undefined) throw new Error('There are no rules');
    return (this.#answering ??= new Answering(archive));
  }

  override get archive(): MemoryArchive | undefined {
    return super.archive && (this.answering as Archive as MemoryArchive);
  }
}

describe('Where the archive and the tail meet', () => {
  const backplanes: AnsweringBackplane[] = [];
  let desk: Desk;
  let archive: Answering;

  afterEach(async () => {
    jest.useRealTimers();
    for (const backplane of backplanes.splice(0)) await backplane.close();
  });

  async function open(topics: readonly TopicRetention[], maxEvents = 3): Promise<void> {
    const backplane = new AnsweringBackplane();
    backplanes.push(backplane);
    desk = await Desk.open({ maxEvents, topics }, backplane);
    archive = backplane.answering;
  }

  /** Publishes one event to each of these topics, numbered, and lets the tail trim. */
  async function publish(...topics: string[]): Promise<string[]> {
    const cursors: string[] = [];
    for (const topic of topics) {
      const data = `${topic} ${desk.log.head + 1}`;
      cursors.push(await desk.bus.publish(topic, { data }));
    }
    await turns();
    return cursors;
  }

  const noise = ['noise', 'noise', 'noise'];

  it('what an unkept topic lost is told, also when another topic has to be read first', async () => {
    await open([{ match: 'kept' }]);
    const [first = ''] = await publish('unkept', 'kept', 'unkept', ...noise);
    const seat = desk.seat((bus) => bus.stream(['unkept', 'kept']), first);
    await turns();
    expect(seat.data[0]).toContain('trimmed');
    expect(seat.data.slice(1)).toEqual(['kept 2']);
  });

  it('two streams of one connection hear the same of it', async () => {
    await open([{ match: 'kept' }]);
    const [first = ''] = await publish('unkept', 'kept', 'unkept', ...noise);
    const seat = desk.seat((bus) => merge(bus.stream('unkept'), bus.stream('kept')), first);
    await turns();
    expect(seat.data[0]).toContain('trimmed');
    expect(seat.data.slice(1)).toEqual(['kept 2']);
  });

  it('a pattern gives what one of its topics has, whatever another one has lost', async () => {
    await open([{ match: 'a.*', keepEvents: 1 }]);
    await publish('a.1', 'a.2', 'a.3', 'a.4', 'a.4', 'a.4', 'a.4');
    const seat = desk.seat((bus) => bus.stream(matching('a.*'), { from: 'earliest' }));
    await turns();
    expect(seat.data).toEqual(['a.1 1', 'a.2 2', 'a.3 3', 'a.4 5', 'a.4 6', 'a.4 7']);
  });

  it('a pattern is told what is gone once, and gets the rest', async () => {
    await open([{ match: 'a.*', keepEvents: 1 }]);
    await publish('a.1', 'a.2', 'a.3', 'a.4', 'a.4', 'a.4', ...noise);
    const seat = desk.seat((bus) => bus.stream(matching('a.*'), { from: 'start' }));
    await turns();
    expect(seat.data[0]).toContain('"requested":"start"');
    expect(seat.data.slice(1)).toEqual(['a.1 1', 'a.2 2', 'a.3 3', 'a.4 6']);
  });

  it('nobody is taken past what the tail has, because the archive no longer has it', async () => {
    await open([{ match: 'kept', keepEvents: 1 }], 4);
    const [first = ''] = await publish('kept', 'kept', 'kept', 'kept', 'kept', 'kept');
    const seat = desk.seat((bus) => bus.stream('kept'), first);
    await turns();
    expect(seat.data[0]).toContain('trimmed');
    expect(seat.data.slice(1)).toEqual(['kept 3', 'kept 4', 'kept 5', 'kept 6']);
  });

  it('a slow client is told what was lost since it came, also if it asked for what there is', async () => {
    await open([{ match: 'other' }]);
    await publish('a');
    const seat = desk.seat((bus) => bus.stream('a', { from: 'earliest' }));
    seat.capacity = 1;
    await turns();
    await publish('a', ...noise);
    seat.capacity = Infinity;
    seat.isReady = true;
    seat.schedule();
    await turns();
    expect(seat.data).toEqual(['a 1', expect.stringContaining('trimmed')]);
  });

  it('an id overtakes nothing that is on its way from the archive', async () => {
    await open([{ match: 'kept' }]);
    const [first = ''] = await publish('kept', 'kept', ...noise);
    archive.failure = new Error('away');
    const seat = desk.seat((bus) => bus.stream('kept'), first);
    await turns();
    seat.beat();
    expect(seat.told).toBe(1);
  });

  describe('while the archive does not answer', () => {
    async function clientThatWaits(answer: () => void) {
      jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
      await open([{ match: 'kept' }]);
      const [first = ''] = await publish('kept', 'kept', ...noise);
      answer();
      const seat = desk.seat((bus) => bus.stream('kept'), first);
      await turns();
      return seat;
    }

    it('it is asked again, less and less often, and the client gets what it has then', async () => {
      const seat = await clientThatWaits(() => (archive.failure = new Error('away')));
      await jest.advanceTimersByTimeAsync(60_000);
      expect(archive.asked).toBeLessThan(50);
      archive.failure = undefined;
      await jest.advanceTimersByTimeAsync(2_000);
      await turns();
      expect(seat.data).toEqual(['kept 2']);
    });

    it('nobody asks again for a client that has gone', async () => {
      const seat = await clientThatWaits(() => (archive.failure = new Error('away')));
      seat.isEnded = true;
      const { asked } = archive;
      await jest.advanceTimersByTimeAsync(60_000);
      expect(archive.asked).toBe(asked);
    });

    it('nobody asks where to begin for a client that has gone', async () => {
      await clientThatWaits(() => (archive.failure = new Error('away')));
      const { asked } = archive;
      const seat = desk.seat((bus) => bus.stream('kept', { from: { last: 2 } }));
      await turns();
      expect(archive.asked).toBe(asked + 1);
      seat.isEnded = true;
      archive.failure = undefined;
      await jest.advanceTimersByTimeAsync(60_000);
      expect(archive.asked).toBe(asked + 2);
    });

    it('a page that goes no further is a failure, and no reason to ask without end', async () => {
      await clientThatWaits(() => {
        archive.change = (page) => ({ ...page, events: [], upTo: 1 });
      });
      for (let count = 0; count < 20; count++) await turns();
      expect(archive.asked).toBe(1);
    });
  });
});
