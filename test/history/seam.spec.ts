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
import type { History, LogSink } from '../../src/log/log-sink.js';
import type { TopicRetention } from '../../src/log/retention.js';
import type { SseEvent } from '../../src/log/event.js';
import { matching } from '../../src/log/matching.js';
import type { EventBus } from '../../src/bus/event-bus.js';
import { Instance, turns } from '../reader/recording-connection.js';

/** The archive in memory, as the test lets it answer. */
class Answering implements Archive {
  readonly knowsRules = true;
  /** How often it was asked for pages and places. */
  asked = 0;
  failure: Error | undefined;
  /** Of questions for a topic's last event: whether it has ended. */
  failureOfLatest: Error | undefined;
  /** How often it was asked for a topic's last event. */
  askedForLatest = 0;
  change = (page: ArchivePage): ArchivePage => page;
  /** Pages come when this has come. */
  gate: Promise<void> | undefined;
  /** Events of a page at most. */
  pageSize = Infinity;

  constructor(private readonly archive: Archive) {}

  async read(query: ArchiveQuery): Promise<ArchivePage> {
    this.#ask();
    await this.gate;
    const maxEvents = Math.min(query.maxEvents, this.pageSize);
    return this.change(await this.archive.read({ ...query, maxEvents }));
  }

  async seek(topics: ArchiveTopics, start: ArchiveStart): Promise<number> {
    this.#ask();
    return this.archive.seek(topics, start);
  }

  async latest(topics: ArchiveTopics, upTo: number): Promise<ArchivedEvent | undefined> {
    this.askedForLatest++;
    if (this.failureOfLatest !== undefined) throw this.failureOfLatest;
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
  /** Whether the instance does not get what is published, but what comes after it. */
  isCutOff = false;

  override open(sink: LogSink, history?: History): Promise<void> {
    const append = sink.append.bind(sink);
    sink.append = (offset, record) => {
      if (this.isCutOff) sink.lose(offset);
      else append(offset, record);
    };
    return super.open(sink, history);
  }

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
  let instance: Instance;
  let archive: Answering;

  afterEach(async () => {
    jest.useRealTimers();
    for (const backplane of backplanes.splice(0)) await backplane.close();
  });

  async function open(topics: readonly TopicRetention[], maxEvents = 3): Promise<void> {
    const backplane = new AnsweringBackplane();
    backplanes.push(backplane);
    instance = await Instance.open({ maxEvents, topics }, backplane);
    archive = backplane.answering;
  }

  /** Publishes one event to each of these topics, numbered, and lets the tail trim. */
  async function publish(...topics: string[]): Promise<string[]> {
    const cursors: string[] = [];
    for (const topic of topics) {
      const data = `${topic} ${instance.log.head + 1}`;
      cursors.push(await instance.bus.publish(topic, { data }));
    }
    await turns();
    return cursors;
  }

  const noise = ['noise', 'noise', 'noise'];

  it('what an unkept topic lost is told, also when another topic has to be read first', async () => {
    await open([{ match: 'kept' }]);
    const [first = ''] = await publish('unkept', 'kept', 'unkept', ...noise);
    const connection = instance.connect((bus) => bus.stream(['unkept', 'kept']), first);
    await turns();
    expect(connection.data[0]).toContain('trimmed');
    expect(connection.data.slice(1)).toEqual(['kept 2']);
  });

  it('two streams of one connection hear the same of it', async () => {
    await open([{ match: 'kept' }]);
    const [first = ''] = await publish('unkept', 'kept', 'unkept', ...noise);
    const connection = instance.connect(
      (bus) => merge(bus.stream('unkept'), bus.stream('kept')),
      first,
    );
    await turns();
    expect(connection.data[0]).toContain('trimmed');
    expect(connection.data.slice(1)).toEqual(['kept 2']);
  });

  it('a pattern gives what one of its topics has, whatever another one has lost', async () => {
    await open([{ match: 'a.*', keepEvents: 1 }]);
    await publish('a.1', 'a.2', 'a.3', 'a.4', 'a.4', 'a.4', 'a.4');
    const connection = instance.connect((bus) => bus.stream(matching('a.*'), { from: 'earliest' }));
    await turns();
    expect(connection.data).toEqual(['a.1 1', 'a.2 2', 'a.3 3', 'a.4 5', 'a.4 6', 'a.4 7']);
  });

  it('a pattern is told what is gone once, and gets the rest', async () => {
    await open([{ match: 'a.*', keepEvents: 1 }]);
    await publish('a.1', 'a.2', 'a.3', 'a.4', 'a.4', 'a.4', ...noise);
    const connection = instance.connect((bus) => bus.stream(matching('a.*'), { from: 'start' }));
    await turns();
    expect(connection.data[0]).toContain('"requested":"start"');
    expect(connection.data.slice(1)).toEqual(['a.1 1', 'a.2 2', 'a.3 3', 'a.4 6']);
  });

  it('a pattern is told what is lost between two pages, also if another topic has lost a later event before', async () => {
    await open([{ match: 'a.*', keepEvents: 2 }]);
    archive.pageSize = 1;
    await publish('a.3', 'a.2', 'a.1', 'a.1', 'a.1', 'a.1', ...noise);
    const connection = instance.connect((bus) => bus.stream(matching('a.*'), { from: 'start' }));
    connection.capacity = 2;
    await turns();
    expect(connection.data.slice(1)).toEqual(['a.3 1']);
    await publish('a.2', 'a.2', ...noise);
    connection.capacity = Infinity;
    connection.isReady = true;
    connection.schedule();
    for (let page = 0; page < 8; page++) await turns();
    const [requested, first, lost, ...rest] = connection.data;
    expect([requested, lost]).toEqual([
      expect.stringContaining('"requested":"start"'),
      expect.stringContaining('trimmed'),
    ]);
    expect([first, ...rest]).toEqual(['a.3 1', 'a.1 5', 'a.1 6', 'a.2 10', 'a.2 11']);
  });

  it('a pattern of which no rule keeps all is told of what none keeps, and gets the rest', async () => {
    await open([{ match: 'a.kept' }, { match: 'a.b.**' }]);
    const [first = ''] = await publish('a.kept', 'a.other', 'a.kept', 'a.b.c', ...noise);
    const some = instance.connect((bus) => bus.stream(matching('a.*')), first);
    const more = instance.connect((bus) => bus.stream(matching('a.**')), first);
    await turns();
    expect(some.data).toEqual([expect.stringContaining('trimmed'), 'a.kept 3']);
    expect(more.data).toEqual([expect.stringContaining('trimmed'), 'a.kept 3', 'a.b.c 4']);
  });

  it('a pattern that a rule keeps all of has no gap, whatever others have lost', async () => {
    await open([{ match: 'a.b.**' }]);
    const [first = ''] = await publish('a.b.c', 'a.other', 'a.b.c', 'a.b.c.d', ...noise);
    const connections = ['a.b.c', 'a.b.*', 'a.b.**', 'a.b.*.d'].map((pattern) =>
      instance.connect((bus) => bus.stream(matching(pattern)), first),
    );
    await turns();
    const all = ['a.b.c 3', 'a.b.c.d 4'];
    expect(connections.map(({ data }) => data)).toEqual([
      all.slice(0, 1),
      all.slice(0, 1),
      all,
      all.slice(1),
    ]);
  });

  it('nobody asks the archive for a pattern that no rule has anything of', async () => {
    await open([{ match: 'a.b.**' }, { match: 'c' }]);
    const [first = ''] = await publish('x.1', 'x.1', ...noise);
    const connections = ['x.*', '*.x', 'a.*', 'a.c.**', 'c.*'].map((pattern) =>
      instance.connect((bus) => bus.stream(matching(pattern)), first),
    );
    await turns();
    expect(archive.asked).toBe(0);
    expect(connections[0]?.data).toEqual([expect.stringContaining('trimmed')]);
  });

  it('nobody is taken past what the tail has, because the archive no longer has it', async () => {
    await open([{ match: 'kept', keepEvents: 1 }], 4);
    const [first = ''] = await publish('kept', 'kept', 'kept', 'kept', 'kept', 'kept');
    const connection = instance.connect((bus) => bus.stream('kept'), first);
    await turns();
    expect(connection.data[0]).toContain('trimmed');
    expect(connection.data.slice(1)).toEqual(['kept 3', 'kept 4', 'kept 5', 'kept 6']);
  });

  it('a slow client is told what was lost since it came, also if it asked for what there is', async () => {
    await open([{ match: 'other' }]);
    await publish('a');
    const connection = instance.connect((bus) => bus.stream('a', { from: 'earliest' }));
    connection.capacity = 1;
    await turns();
    await publish('a', ...noise);
    connection.capacity = Infinity;
    connection.isReady = true;
    connection.schedule();
    await turns();
    expect(connection.data).toEqual(['a 1', expect.stringContaining('trimmed')]);
  });

  it.each(['nonsense', 'a place ahead of the log'])(
    'a place that there never was is that of a new client, which begins where the code says: %s',
    async (kind) => {
      await open([{ match: 'other' }], 9);
      const [first = ''] = await publish('a', 'a', 'a', 'a');
      const requested = kind === 'nonsense' ? kind : first.replace(/[.]1$/, '.999');
      const connection = instance.connect(
        (bus) => bus.stream('a', { from: { last: 2 } }),
        requested,
      );
      await turns();
      expect(connection.data).toEqual([expect.stringContaining('unknown'), 'a 3', 'a 4']);
    },
  );

  it('what goes missing after the first event is a gap, also if that came from the tail', async () => {
    await open([{ match: 'few', keepEvents: 4, keepLatestPerKey: true }], 5);
    const publishKey = async (key: string) => {
      const data = `few ${instance.log.head + 1}`;
      await instance.bus.publish('few', { data, key });
      await turns();
    };
    await publishKey('a');
    await publish(...noise, ...noise);
    // In the archive it takes the place of the first one, which is no loss.
    for (const key of ['a', 'b', 'c']) await publishKey(key);
    const connection = instance.connect((bus) => bus.stream('few', { from: 'earliest' }));
    connection.capacity = 1;
    await turns();
    for (const key of ['d', 'e', 'f', 'g']) await publishKey(key);
    connection.capacity = Infinity;
    connection.isReady = true;
    connection.schedule();
    await turns();
    const left = [10, 11, 12, 13, 14].map((offset) => `few ${offset}`);
    expect(connection.data).toEqual(['few 8', expect.stringContaining('trimmed'), ...left]);
  });

  it('nobody is told that it has resumed from a place of which something is lost', async () => {
    await open([{ match: 'other' }]);
    const [first = ''] = await publish('a', 'a', 'a', ...noise);
    const connection = instance.connect((bus) => bus.stream('a', { announce: true }), first);
    await turns();
    expect(connection.data[0]).toContain('"resumed":false');
  });

  it('what is missing in the middle of the tail is read from the archive, by who is there and who comes', async () => {
    await open([{ match: 'kept' }, { match: 'few', keepEvents: 1 }], 100);
    const here = instance.connect((bus) => bus.stream('kept'));
    const few = instance.connect((bus) => bus.stream('few'));
    const mixed = instance.connect((bus) => bus.stream(['kept', 'noise']));
    await turns();
    const [backplane] = backplanes;
    const [first = ''] = await publish('kept');
    if (backplane !== undefined) backplane.isCutOff = true;
    await publish('kept', 'noise', 'kept', 'few', 'few');
    if (backplane !== undefined) backplane.isCutOff = false;
    await publish('kept');
    const back = instance.connect((bus) => bus.stream('kept'), first);
    const late = instance.connect((bus) => bus.stream('kept', { from: 'start' }));
    await turns();
    expect(here.data).toEqual(['kept 1', 'kept 2', 'kept 4', 'kept 7']);
    expect(back.data).toEqual(here.data.slice(1));
    expect(late.data).toEqual(here.data);
    const gap = expect.stringContaining('trimmed');
    expect(mixed.data).toEqual(['kept 1', gap, 'kept 2', 'kept 4', 'kept 7']);
    expect(few.data).toEqual([expect.stringContaining('trimmed'), 'few 6']);
  });

  describe('what is missing in the middle of the tail, and kept', () => {
    let first = '';

    /** The instance has `kept` 1, 2 and 7, and not what was published while it was cut off. */
    const keptBehind = ['kept 4', 'kept 5', 'kept 7'];

    async function openWithHole(
      missing: readonly string[] = ['noise', 'kept', 'kept', 'noise'],
      last = 'kept',
    ): Promise<void> {
      await open([{ match: 'kept' }, { match: 'other' }], 100);
      const [backplane] = backplanes;
      [first = ''] = await publish('kept', 'kept');
      if (backplane !== undefined) backplane.isCutOff = true;
      await publish(...missing);
      await new Promise((resolve) => setTimeout(resolve, 3));
      if (backplane !== undefined) backplane.isCutOff = false;
      if (last === 'end') await instance.bus.complete('kept');
      else await publish(last);
    }

    it('is no reason to say that a client has not resumed', async () => {
      await openWithHole();
      const announced = (topics: string | string[]) =>
        instance.connect((bus) => bus.stream(topics, { announce: true }), first);
      const kept = announced('kept');
      const mixed = announced(['kept', 'noise']);
      await turns();
      expect(kept.data[0]).toContain('"resumed":true');
      expect(kept.data.slice(1, -1)).toEqual(['kept 2', 'kept 4', 'kept 5', 'kept 7']);
      expect(mixed.data[0]).toContain('"resumed":false');
    });

    it.each([
      ['topics', (bus: EventBus) => bus.stream(['kept', 'noise'])],
      ['streams', (bus: EventBus) => merge(bus.stream('kept'), bus.stream('noise'))],
      ['a pattern', (bus: EventBus) => bus.stream(matching('*'))],
    ])('is told of what is not kept, and all that is follows: %s', async (_, stream) => {
      await openWithHole();
      const late = instance.connect(stream, first);
      await turns();
      expect(late.data).toEqual(['kept 2', expect.stringContaining('trimmed'), ...keptBehind]);
      const [gap] = late.data.filter((data) => data.includes('trimmed'));
      expect(gap).toContain(`"resumedAt":"${instance.log.cursorAt(3)}"`);
    });

    it('is told to a client of a pattern that began with what there was', async () => {
      await openWithHole();
      const late = instance.connect((bus) => bus.stream(matching('*'), { from: 'earliest' }));
      await turns();
      const begun = ['kept 1', 'kept 2'];
      expect(late.data).toEqual([...begun, expect.stringContaining('trimmed'), ...keptBehind]);
    });

    it('is told of what is not kept to a client that was there, and all that is follows', async () => {
      await open([{ match: 'kept' }, { match: 'other' }], 100);
      const connection = instance.connect((bus) => bus.stream(['kept', 'noise']));
      const [backplane] = backplanes;
      await publish('kept', 'noise');
      if (backplane !== undefined) backplane.isCutOff = true;
      await publish('noise', 'kept', 'kept', 'noise');
      if (backplane !== undefined) backplane.isCutOff = false;
      await publish('kept');
      const before = ['kept 1', 'noise 2'];
      expect(connection.data).toEqual([
        ...before,
        expect.stringContaining('trimmed'),
        ...keptBehind,
      ]);
    });

    it.each([
      [1, ['kept 7']],
      [2, ['kept 5', 'kept 7']],
      [4, ['kept 2', 'kept 4', 'kept 5', 'kept 7']],
      [9, ['kept 1', 'kept 2', 'kept 4', 'kept 5', 'kept 7']],
    ])('counts among the last n: %d', async (last, expected) => {
      await openWithHole();
      const connection = instance.connect((bus) => bus.stream('kept', { from: { last } }));
      await turns();
      expect(connection.data).toEqual(expected);
    });

    it('is waited for by a stream that goes out as it is, whatever comes meanwhile', async () => {
      await open([{ match: 'kept' }], 100);
      const [backplane] = backplanes;
      const connection = instance.connect((bus) => bus.stream('kept'), undefined, true);
      await turns();
      await publish('kept');
      let answer = () => {};
      archive.gate = new Promise((resolve) => (answer = resolve));
      if (backplane !== undefined) backplane.isCutOff = true;
      await publish('kept', 'kept');
      if (backplane !== undefined) backplane.isCutOff = false;
      await publish('kept');
      await publish('kept');
      expect(connection.data).toEqual(['kept 1']);
      answer();
      await turns();
      expect(connection.data).toEqual(['kept 1', 'kept 2', 'kept 3', 'kept 4', 'kept 5']);
    });

    it('is older than a time, if it was published before that', async () => {
      await openWithHole();
      const { at } = inTail('kept', 7).event;
      const since = new Date(at ?? 0);
      const connection = instance.connect((bus) => bus.stream('kept', { from: since }));
      await turns();
      expect(connection.data).toEqual(['kept 7']);
    });

    it('gives nothing that the tail knows to be older than a time, when the store has begun another log', async () => {
      await openWithHole();
      const [entry] = instance.log.entriesAfter(6);
      const answering = backplanes.at(-1)?.answering;
      if (answering !== undefined) jest.spyOn(answering, 'seek').mockResolvedValue(0);
      const from = new Date(entry?.publishedAt ?? 0);
      const late = instance.connect((bus) => bus.stream('kept', { from }));
      await turns();
      expect(late.data).toEqual(keptBehind);
    });

    it('is given to a client that comes back to a place before the end of its topic', async () => {
      await openWithHole(['kept', 'kept'], 'end');
      const connection = instance.connect((bus) => bus.stream('kept'), instance.log.cursorAt(2));
      await turns();
      expect(connection.isEndedForGood).toBe(false);
      expect(connection.data).toEqual(['kept 3', 'kept 4']);
    });

    it('may be what opened one of two topics again', async () => {
      await open([{ match: 'kept' }, { match: 'other' }], 100);
      const connection = instance.connect((bus) => bus.stream(['kept', 'other']));
      await turns();
      await instance.bus.complete('other');
      const [backplane] = backplanes;
      if (backplane !== undefined) backplane.isCutOff = true;
      await publish('other');
      if (backplane !== undefined) backplane.isCutOff = false;
      await instance.bus.complete('kept');
      await turns();
      await publish('other');
      expect(connection.data).toEqual(['other 2', 'other 4']);
    });

    it('may be the end of its topic, for a client that has it', async () => {
      await open([{ match: 'kept' }], 100);
      const [backplane] = backplanes;
      await publish('kept');
      if (backplane !== undefined) backplane.isCutOff = true;
      await instance.bus.complete('kept');
      if (backplane !== undefined) backplane.isCutOff = false;
      await publish('noise');
      const end = instance.log.cursorAt(2);
      const connection = instance.connect((bus) => bus.stream('kept'), end);
      await turns();
      expect(connection.isEndedForGood).toBe(true);
    });
  });

  it('an end is passed by who reads it in the archive, if the next page has something', async () => {
    await open([{ match: 'kept' }]);
    await publish('kept', 'kept');
    await instance.bus.complete('kept');
    await publish('kept', ...noise, ...noise);
    archive.pageSize = 3;
    const connection = instance.connect((bus) => bus.stream('kept', { from: 'start' }));
    await turns();
    expect(connection.data).toEqual(['kept 1', 'kept 2', 'kept 4']);
    expect(connection.reader?.streams.haveCompleted).toBe(false);
  });

  it('an end that an instance has missed ends who reads it in the archive, as nothing follows it', async () => {
    await open([{ match: 'kept' }], 100);
    const [backplane] = backplanes;
    const here = instance.connect((bus) => bus.stream('kept', { from: 'start' }));
    const [first] = await publish('kept');
    if (backplane !== undefined) backplane.isCutOff = true;
    await publish('kept');
    await instance.bus.complete('kept');
    await publish('noise');
    if (backplane !== undefined) backplane.isCutOff = false;
    await publish('noise');
    const connection = instance.connect((bus) => bus.stream('kept'), first);
    await turns();
    expect(connection.data).toEqual(['kept 2']);
    expect(here.data).toEqual(['kept 1', 'kept 2']);
    for (const { told, reader } of [connection, here])
      expect([told, reader?.streams.haveCompleted]).toEqual([3, true]);
  });

  /** The entry that a topic has in the tail at an offset. */
  function inTail(topic: string, offset: number) {
    const { entries } = instance.log.indexOf(topic);
    const entry = entries.at(entries.seek(offset - 1));
    if (entry?.offset !== offset) throw new Error(`The tail has no ${topic} at ${offset}`);
    return entry;
  }

  it('nobody asks how a topic has ended for whom its page has something', async () => {
    await open([{ match: 'kept' }]);
    const [first = '', second = ''] = await publish('kept', 'kept', ...noise);
    const behind = instance.connect((bus) => bus.stream('kept'), first);
    await turns();
    expect(behind.data).toEqual(['kept 2']);
    expect([archive.asked, archive.askedForLatest]).toEqual([1, 0]);
    instance.connect((bus) => bus.stream('kept'), second);
    instance.connect((bus) => bus.stream('kept'), instance.log.cursorAt(instance.log.head));
    await turns();
    expect([archive.asked, archive.askedForLatest]).toEqual([1, 1]);
  });

  it('clients that come at once ask once where to begin, and whether they are over', async () => {
    await open([{ match: 'kept' }]);
    const [first = ''] = await publish('kept', 'kept', 'kept', 'kept', ...noise);
    const herd = <T>(each: () => T) => Array.from({ length: 20 }, each);
    const last = herd(() => instance.connect((bus) => bus.stream('kept', { from: { last: 2 } })));
    const until = ({ data }: SseEvent) => data === 'kept 3';
    const over = herd(() => instance.connect((bus) => bus.stream('kept', { until }), first));
    await turns();
    for (const { data } of last) expect(data).toEqual(['kept 3', 'kept 4']);
    for (const { data } of over) expect(data).toEqual(['kept 2', 'kept 3']);
    // A place, and one page for all; the last event at a place: once, or a few times where a busy machine slices the turn
    // in which they come.
    expect(archive.asked).toBeLessThan(10);
    expect(archive.askedForLatest).toBeLessThan(10);
  });

  it('an id overtakes nothing that is on its way from the archive', async () => {
    await open([{ match: 'kept' }]);
    const [first = ''] = await publish('kept', 'kept', ...noise);
    archive.failure = new Error('away');
    const connection = instance.connect((bus) => bus.stream('kept'), first);
    await turns();
    connection.beat();
    // No id at all, while the archive is asked whether the topic has ended.
    expect(connection.told ?? 1).toBe(1);
  });

  describe('while the archive does not answer', () => {
    async function clientThatWaits(answer: () => void, isBehind = true) {
      jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
      await open([{ match: 'kept' }]);
      const [first = '', last = ''] = await publish('kept', 'kept', ...noise);
      answer();
      const connection = instance.connect((bus) => bus.stream('kept'), isBehind ? first : last);
      await turns();
      return connection;
    }

    it('it is asked again, less and less often, and the client gets what it has then', async () => {
      const connection = await clientThatWaits(() => (archive.failure = new Error('away')));
      await jest.advanceTimersByTimeAsync(60_000);
      expect(archive.asked).toBeLessThan(50);
      archive.failure = undefined;
      await jest.advanceTimersByTimeAsync(2_000);
      await turns();
      expect(connection.data).toEqual(['kept 2']);
    });

    it('and nobody knows whether the topic has ended, the client is told no place', async () => {
      const answer = () => (archive.failureOfLatest = new Error('away'));
      const connection = await clientThatWaits(answer, false);
      connection.beat();
      expect(connection.told).toBeUndefined();
      archive.failureOfLatest = undefined;
      await jest.advanceTimersByTimeAsync(2_000);
      await turns();
      connection.beat();
      expect(connection.told).toBe(5);
    });

    it('nobody asks again for a client that has gone', async () => {
      const connection = await clientThatWaits(() => (archive.failure = new Error('away')));
      connection.isEnded = true;
      const { asked } = archive;
      await jest.advanceTimersByTimeAsync(60_000);
      expect(archive.asked).toBe(asked);
    });

    it('nobody asks where to begin for a client that has gone', async () => {
      await clientThatWaits(() => (archive.failure = new Error('away')));
      const { asked } = archive;
      const connection = instance.connect((bus) => bus.stream('kept', { from: { last: 2 } }));
      await turns();
      expect(archive.asked).toBe(asked + 1);
      connection.isEnded = true;
      archive.failure = undefined;
      await jest.advanceTimersByTimeAsync(60_000);
      // That of the client that is there, which waits for a page.
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
