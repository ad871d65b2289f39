import { type Archive, ARCHIVE_BYTES } from '../../src/backplane/archive.js';
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

  get name(): string {
    return `epoch-${this.epoch}`;
  }

  /** All events are gone, and everybody is told. */
  forget(): Promise<void> {
    this.epoch++;
    this.records = [];
    this.archive = undefined;
    for (const sink of this.sinks) sink.reset(this.name, 0);
    return Promise.resolve();
  }
}

/** A backplane that keeps the contract, to be broken in one place by a test. */
export class BrokerBackplane extends Backplane {
  protected sink: LogSink | undefined;

  constructor(protected readonly broker: Broker) {
    super();
  }

  override get archive(): Archive | undefined {
    return this.broker.archive;
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
      this.broker.archive = this.makeArchive(rules, maxBytes ?? ARCHIVE_BYTES);
    }
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
    this.broker.archive?.add(offset, { ...record, at: Date.now() });
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

  protected makeArchive(rules: RetentionRules, maxBytes: number): MemoryArchive {
    return new MemoryArchive(rules, maxBytes);
  }

  protected deliver(offset: number, record: EventRecord): void {
    for (const sink of this.broker.sinks) sink.append(offset, record);
  }
}
