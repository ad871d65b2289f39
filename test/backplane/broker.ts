import {
  Archive,
  ARCHIVE_BYTES,
  type ArchivedEvent,
  type ArchivePage,
  type ArchiveQuery,
  type ArchiveStart,
  type ArchiveTopics,
} from '../../src/backplane/archive.js';
import { MemoryArchive } from '../../src/backplane/memory-archive.js';
import { RetentionRules } from '../../src/log/retention.js';
import {
  Backplane,
  type BackplaneHealth,
  type Cursor,
  type EventRecord,
  type History,
  type LogSink,
  type PublishOptions,
  SseError,
} from 'nestjs-event-stream';

/** What several instances in one process share: the plainest thing that keeps the contract. */
export class Broker {
  epoch = 1;
  records: EventRecord[] = [];
  readonly cursors = new Map<string, Cursor>();
  readonly sinks = new Set<LogSink>();
  archive: MemoryArchive | undefined;
  /** The last offset that somebody without rules has published. */
  unkept = 0;

  get name(): string {
    return `epoch-${this.epoch}`;
  }

  /** All events are gone, and everybody is told. */
  forget(): Promise<void> {
    this.epoch++;
    this.records = [];
    this.unkept = 0;
    this.archive = undefined;
    for (const sink of this.sinks) sink.reset(this.name, 0);
    return Promise.resolve();
  }
}

/** What there is in the epoch of the broker, whatever somebody kept of another. */
class SharedArchive extends Archive {
  constructor(
    private readonly broker: Broker,
    private readonly archive: MemoryArchive,
  ) {
    super();
  }

  override async read(query: ArchiveQuery): Promise<ArchivePage> {
    const { upTo } = query;
    if (query.epoch !== this.broker.name) return { events: [], upTo, lost: upTo, losses: upTo };
    const page = await this.archive.read(query);
    return { ...page, lost: Math.max(page.lost, this.broker.unkept) };
  }

  override seek(topics: ArchiveTopics, start: ArchiveStart): Promise<number> {
    return this.archive.seek(topics, start);
  }

  override latest(topics: ArchiveTopics, upTo: number): Promise<ArchivedEvent | undefined> {
    return this.archive.latest(topics, upTo);
  }
}

/** A backplane that keeps the contract, to be broken in one place by a test. */
export class BrokerBackplane extends Backplane {
  protected sink: LogSink | undefined;
  #isKeeping = false;

  constructor(protected readonly broker: Broker) {
    super();
  }

  override get archive(): Archive | undefined {
    const { archive } = this.broker;
    return archive && new SharedArchive(this.broker, archive);
  }

  override get health(): BackplaneHealth {
    const isConnected = this.sink !== undefined;
    return { isConnected, lastReadAt: new Date(), lagEvents: 0, lagMs: 0 };
  }

  override open(sink: LogSink, history: History): Promise<void> {
    const { records, name } = this.broker;
    const first = Math.max(records.length - history.maxEvents, 0);
    sink.reset(name, first);
    for (const [index, record] of records.entries()) {
      if (index >= first) sink.append(index + 1, record);
    }
    const rules = new RetentionRules(history.topics);
    const maxBytes = history.archive?.maxBytes;
    // Whoever says how large it is gets one of its own: what there was before is of no interest then.
    if (!rules.isEmpty && (this.broker.archive === undefined || maxBytes !== undefined)) {
      this.broker.archive = this.makeArchive(rules, maxBytes ?? ARCHIVE_BYTES, name);
    }
    this.#isKeeping = !rules.isEmpty;
    this.sink = sink;
    this.broker.sinks.add(sink);
    return Promise.resolve();
  }

  override publish(record: EventRecord, options: PublishOptions = {}): Promise<Cursor> {
    if (this.sink === undefined) {
      return Promise.reject(new SseError('BACKPLANE_CLOSED', 'closed'));
    }
    const { idempotencyKey } = options;
    const known =
      idempotencyKey === undefined ? undefined : this.broker.cursors.get(idempotencyKey);
    if (known !== undefined) return Promise.resolve(known);
    const offset = this.broker.records.push(record);
    if (this.#isKeeping) this.broker.archive?.add(offset, { ...record, at: Date.now() });
    else this.broker.unkept = offset;
    this.deliver(offset, record);
    const cursor = `${this.broker.name}.${offset}`;
    if (idempotencyKey !== undefined) this.broker.cursors.set(idempotencyKey, cursor);
    return Promise.resolve(cursor);
  }

  override catchUp(): Promise<void> {
    return Promise.resolve();
  }

  override close(): Promise<void> {
    if (this.sink !== undefined) this.broker.sinks.delete(this.sink);
    this.sink = undefined;
    return Promise.resolve();
  }

  protected makeArchive(rules: RetentionRules, maxBytes: number, epoch: string): MemoryArchive {
    return new MemoryArchive(rules, maxBytes, epoch);
  }

  protected deliver(offset: number, record: EventRecord): void {
    for (const sink of this.broker.sinks) sink.append(offset, record);
  }
}
