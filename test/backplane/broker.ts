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

  get name(): string {
    return `epoch-${this.epoch}`;
  }

  /** All events are gone, and everybody is told. */
  forget(): Promise<void> {
    this.epoch++;
    this.records = [];
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

  protected deliver(offset: number, record: EventRecord): void {
    for (const sink of this.broker.sinks) sink.append(offset, record);
  }
}
