import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import {
  type Cursor,
  type EventRecord,
  type History,
  type LogSink,
  MemoryBackplane,
  type PublishOptions,
} from 'nestjs-event-stream';
import { backplaneConformance } from 'nestjs-event-stream/testing';
import type { ArchivePage, ArchiveQuery, ArchiveTopics } from '../../src/backplane/archive.js';
import { MemoryArchive } from '../../src/backplane/memory-archive.js';
import { Broker, BrokerBackplane } from './broker.js';

describe('MemoryBackplane', () => {
  for (const { name, run } of backplaneConformance(() => ({
    instance: () => new MemoryBackplane(),
  }))) {
    it(name, run);
  }
});

/** Lines of the contract of `Backplane`, which come before those of `Archive`. */
const BACKPLANE_LINES = 12;

describe('backplaneConformance()', () => {
  function checksOf(kind: typeof BrokerBackplane) {
    return backplaneConformance(
      () => {
        const broker = new Broker();
        return { instance: () => new kind(broker), forget: () => broker.forget() };
      },
      { timeout: 200 },
    );
  }

  it('has a check for every line of the contract, in its words', () => {
    const lines = [
      ...linesOf('src/backplane/backplane.ts', ' * `backplaneC'),
      ...linesOf('src/backplane/archive.ts', ' */\nexport abstract').map(
        (line) => `Archive, ${line}`,
      ),
    ];
    expect(lines).toHaveLength(BACKPLANE_LINES + 6);
    expect(checksOf(BrokerBackplane).map(({ name }) => name)).toEqual(lines);
  });

  function linesOf(path: string, end: string): string[] {
    const source = readFileSync(path, 'utf8');
    const contract = source.slice(source.indexOf(' * 1. '), source.indexOf(end));
    return contract
      .replace(/\n \*( |$)+/g, ' ')
      .split(/(?=\b\d+\. )/)
      .map((line) => line.replace(/[\s*]+$/, ''))
      .filter((line) => /^\d/.test(line));
  }

  it('passes a backplane that keeps the contract', async () => {
    for (const { run } of checksOf(BrokerBackplane)) await run();
  });

  class LeavesHoles extends BrokerBackplane {
    override async publish(record: EventRecord, options?: PublishOptions): Promise<Cursor> {
      if (record.text.endsWith('3')) await super.publish(record);
      return super.publish(record, options);
    }
  }

  class Disagrees extends BrokerBackplane {
    protected override deliver(offset: number, record: EventRecord): void {
      for (const sink of this.broker.sinks) {
        sink.append(offset, sink === this.sink ? record : { ...record, text: 'another' });
      }
    }
  }

  class TellsOnlyOthers extends BrokerBackplane {
    protected override deliver(offset: number, record: EventRecord): void {
      for (const sink of this.broker.sinks) if (sink !== this.sink) sink.append(offset, record);
    }
  }

  class TellsOnlyItself extends BrokerBackplane {
    protected override deliver(offset: number, record: EventRecord): void {
      this.sink?.append(offset, record);
    }
  }

  class AnnouncesNothing extends BrokerBackplane {
    protected override deliver(offset: number, record: EventRecord): void {
      if (offset > 1 || this.broker.epoch === 1) super.deliver(offset, record);
    }
  }

  class AnnouncesLate extends BrokerBackplane {
    override open(sink: LogSink, history: History): Promise<void> {
      const late = Object.create(sink, {
        reset: {
          value: (epoch: string, offset: number) => {
            if (epoch === 'epoch-1') sink.reset(epoch, offset);
          },
        },
        append: {
          value: (offset: number, record: EventRecord) => {
            if (offset > sink.head) sink.append(offset, record);
            else {
              sink.append(sink.head + 1, record);
              sink.reset(this.broker.name, offset);
            }
          },
        },
      }) as LogSink;
      return super.open(late, history);
    }
  }

  class ResetsTwice extends BrokerBackplane {
    override async open(sink: LogSink, history: History): Promise<void> {
      sink.reset(this.broker.name, 0);
      await super.open(sink, history);
    }
  }

  class OpensEmpty extends BrokerBackplane {
    override async open(sink: LogSink, history: History): Promise<void> {
      await super.open(sink, history);
      sink.reset(this.broker.name, this.broker.records.length);
    }
  }

  class KeepsItsEpoch extends BrokerBackplane {
    override open(sink: LogSink, history: History): Promise<void> {
      this.broker.epoch = 1;
      return super.open(sink, history);
    }
  }

  class GoesBack extends BrokerBackplane {
    override open(sink: LogSink, history: History): Promise<void> {
      const renamed = Object.create(sink, {
        reset: {
          value: (epoch: string, offset: number) => {
            sink.reset(epoch === 'epoch-1' ? 'epoch-3' : epoch, offset);
          },
        },
        append: {
          value: (offset: number, record: EventRecord) => sink.append(offset, record),
        },
      }) as LogSink;
      return super.open(renamed, history);
    }
  }

  class BeginsAnew extends BrokerBackplane {
    override open(sink: LogSink, history: History): Promise<void> {
      if (this.broker.epoch > 2) this.broker.epoch = 1;
      return super.open(sink, history);
    }
  }

  class SaysItHasCaughtUp extends BrokerBackplane {
    protected override deliver(offset: number, record: EventRecord): void {
      setImmediate(() => super.deliver(offset, record));
    }
  }

  class NeverCatchesUp extends BrokerBackplane {
    override catchUp(): Promise<void> {
      return new Promise(() => {});
    }
  }

  class CatchesUpWhileOpen extends BrokerBackplane {
    override catchUp(): Promise<void> {
      return this.sink === undefined ? Promise.reject(new Error('closed')) : super.catchUp();
    }
  }

  class Throws extends BrokerBackplane {
    override publish(record: EventRecord, options?: PublishOptions): Promise<Cursor> {
      if (this.sink === undefined) throw new Error('closed');
      return super.publish(record, options);
    }
  }

  class SaysItKeptWhatItDidNot extends BrokerBackplane {
    override publish(): Promise<Cursor> {
      return Promise.resolve(`${this.broker.name}.1`);
    }
  }

  class Overtakes extends BrokerBackplane {
    override async publish(record: EventRecord, options?: PublishOptions): Promise<Cursor> {
      if (record.text.endsWith('7')) await new Promise((resolve) => setImmediate(resolve));
      return super.publish(record, options);
    }
  }

  class KnowsNoKeys extends BrokerBackplane {
    override publish(record: EventRecord): Promise<Cursor> {
      return super.publish(record);
    }
  }

  class ClosesOnce extends BrokerBackplane {
    override async close(): Promise<void> {
      if (this.sink === undefined) throw new Error('closed');
      await super.close();
    }
  }

  class NeverCloses extends BrokerBackplane {
    override close(): Promise<void> {
      return new Promise(() => {});
    }
  }

  class GoesOnAfterClose extends BrokerBackplane {
    override async close(): Promise<void> {
      const { sink } = this;
      await super.close();
      if (sink !== undefined) this.broker.sinks.add(sink);
    }
  }

  class HasNoHealth extends BrokerBackplane {
    override get health(): never {
      throw new Error('not open');
    }
  }

  class IsAlwaysConnected extends BrokerBackplane {
    override get health() {
      return { isConnected: true, lastReadAt: undefined, lagEvents: 0, lagMs: 0 };
    }
  }

  const broken: [line: number, ...kinds: (typeof BrokerBackplane)[]][] = [
    [1, LeavesHoles, Disagrees],
    [2, TellsOnlyOthers, TellsOnlyItself],
    [3, AnnouncesNothing, AnnouncesLate],
    [4, ResetsTwice, OpensEmpty],
    [5, KeepsItsEpoch],
    [6, GoesBack, BeginsAnew],
    [7, SaysItHasCaughtUp, NeverCatchesUp, CatchesUpWhileOpen],
    [8, SaysItKeptWhatItDidNot],
    [9, Overtakes],
    [10, KnowsNoKeys],
    [11, Throws, ClosesOnce, NeverCloses, GoesOnAfterClose],
    [12, HasNoHealth, IsAlwaysConnected],
  ];

  for (const [line, ...kinds] of broken) {
    it.each(kinds.map((kind) => ({ name: kind.name, kind })))(
      `does not pass on line ${line} a backplane that is broken there: $name`,
      async ({ kind }) => {
        await expect(checksOf(kind)[line - 1]?.run()).rejects.toThrow();
      },
    );
  }

  function withArchive(archive: typeof MemoryArchive): typeof BrokerBackplane {
    return class extends BrokerBackplane {
      protected override makeArchive(
        ...bounds: ConstructorParameters<typeof MemoryArchive>
      ): MemoryArchive {
        return new archive(...bounds);
      }
    };
  }

  class ReadsTheOffsetAgain extends MemoryArchive {
    override read(query: ArchiveQuery): Promise<ArchivePage> {
      return super.read({ ...query, after: query.after - 1 });
    }
  }

  class PassesOverOne extends MemoryArchive {
    override read(query: ArchiveQuery): Promise<ArchivePage> {
      return super.read({ ...query, after: query.after + 1 });
    }
  }

  class ReadsTooFar extends MemoryArchive {
    override read(query: ArchiveQuery): Promise<ArchivePage> {
      return super.read({ ...query, upTo: query.upTo + 1 });
    }
  }

  class LosesAPage extends MemoryArchive {
    override async read(query: ArchiveQuery): Promise<ArchivePage> {
      return { ...(await super.read(query)), upTo: query.upTo };
    }
  }

  class MixesTheOrder extends MemoryArchive {
    override async read(query: ArchiveQuery): Promise<ArchivePage> {
      const page = await super.read(query);
      const place = (topics: readonly string[]) => topics.includes('all.1');
      const events = [...page.events].sort(
        (a, b) => Number(place(b.record.topics)) - Number(place(a.record.topics)),
      );
      return { ...page, events };
    }
  }

  class RepeatsWhatTwoTopicsHave extends MemoryArchive {
    override async read(query: ArchiveQuery): Promise<ArchivePage> {
      const page = await super.read(query);
      const events = page.events.flatMap((event) => event.record.topics.map(() => event));
      return { ...page, events };
    }
  }

  class KeepsEverything extends MemoryArchive {
    constructor(...[rules, , epoch]: ConstructorParameters<typeof MemoryArchive>) {
      super(rules, Infinity, epoch);
    }
  }

  class KeepsLate extends MemoryArchive {
    override add(...event: Parameters<MemoryArchive['add']>): void {
      setImmediate(() => super.add(...event));
    }
  }

  class ForgetsWhatItLost extends MemoryArchive {
    override async read(query: ArchiveQuery): Promise<ArchivePage> {
      return { ...(await super.read(query)), lost: 0 };
    }
  }

  class TellsOnlyWhatIsAsked extends MemoryArchive {
    override async read(query: ArchiveQuery): Promise<ArchivePage> {
      const page = await super.read(query);
      return { ...page, lost: page.lost > query.after ? page.lost : 0 };
    }
  }

  class CountsNoLosses extends MemoryArchive {
    override async read(query: ArchiveQuery): Promise<ArchivePage> {
      const page = await super.read(query);
      return { ...page, losses: page.lost };
    }
  }

  class HidesWhatNobodyKept extends BrokerBackplane {
    override get archive(): MemoryArchive | undefined {
      return this.broker.archive;
    }
  }

  it('does not pass on line 3 of the archive one that hides what was published without its rule', async () => {
    const check = checksOf(HidesWhatNobodyKept)[BACKPLANE_LINES + 2];
    await expect(check?.run()).rejects.toThrow('was not kept');
  });

  class CountsWhatWasReplaced extends MemoryArchive {
    override async read(query: ArchiveQuery): Promise<ArchivePage> {
      const page = await super.read(query);
      const isKeyed = page.events.some(({ record }) => record.key !== undefined);
      return isKeyed ? { ...page, lost: (page.events[0]?.offset ?? 1) - 1 } : page;
    }
  }

  class SeeksOneTooFar extends MemoryArchive {
    override async seek(...asked: Parameters<MemoryArchive['seek']>): Promise<number> {
      return (await super.seek(...asked)) + 1;
    }
  }

  class KnowsOnlyTheEnd extends MemoryArchive {
    override latest(topics: ArchiveTopics): ReturnType<MemoryArchive['latest']> {
      return super.latest(topics, Infinity);
    }
  }

  const brokenArchives: [line: number, ...kinds: (typeof MemoryArchive)[]][] = [
    [1, KeepsEverything, KeepsLate],
    [
      2,
      ReadsTheOffsetAgain,
      PassesOverOne,
      ReadsTooFar,
      LosesAPage,
      MixesTheOrder,
      RepeatsWhatTwoTopicsHave,
    ],
    [3, ForgetsWhatItLost, TellsOnlyWhatIsAsked, CountsNoLosses, CountsWhatWasReplaced],
    [4, SeeksOneTooFar],
    [5, KnowsOnlyTheEnd],
  ];

  for (const [line, ...kinds] of brokenArchives) {
    it.each(kinds.map((kind) => ({ name: kind.name, kind })))(
      `does not pass on line ${line} an archive that is broken there: $name`,
      async ({ kind }) => {
        const checks = checksOf(withArchive(kind));
        await expect(checks[BACKPLANE_LINES - 1 + line]?.run()).rejects.toThrow();
      },
    );
  }

  it('does not pass on line 6 of the archive one that answers when nobody can be asked', async () => {
    const [check] = backplaneConformance(() => ({
      instance: () => new BrokerBackplane(new Broker()),
      interrupt: () => Promise.resolve(() => Promise.resolve()),
    })).slice(-1);
    await expect(check?.run()).rejects.toThrow('it answered');
  });

  it('has nothing to say about the archive of a backplane without one', async () => {
    class KeepsNothing extends BrokerBackplane {
      override get archive(): undefined {
        return undefined;
      }
    }
    for (const { run } of checksOf(KeepsNothing).slice(BACKPLANE_LINES)) await run();
  });
});
