import { EventBus } from '../../src/bus/event-bus.js';
import type { AttendancePort } from '../../src/delivery/attendance-port.js';
import type { Connection } from '../../src/delivery/connection.js';
import { Log } from '../../src/log/log.js';
import { TurnScheduler } from '../../src/log/turn-scheduler.js';
import type { Statistics } from '../../src/nest/statistics.js';
import { presenceOptions } from '../../src/presence/presence-options.js';
import { Reception } from '../../src/presence/reception.js';
import { SsePresence } from '../../src/presence/sse-presence.js';
import { type EventRecord, type LogSink, SseError } from 'nestjs-event-stream';
import { type Broker, BrokerBackplane } from '../backplane/broker.js';
import type { Random } from '../model/random.js';

/** How what is ordered comes to one instance. */
export interface Line {
  last: Promise<void>;
  /** Of which log it hears nothing up to which offset. */
  missed: { readonly log: string; readonly upTo: number };
}

/** Tells each instance what is ordered in its own time, until it dies. */
export class SlowBackplane extends BrokerBackplane {
  #isDead = false;

  constructor(
    broker: Broker,
    private readonly random: Random,
    private readonly lines: Map<LogSink, Line>,
  ) {
    super(broker);
  }

  /** It hears nothing of what is ordered next in this log, and of the rest again. */
  miss(count: number): void {
    if (this.sink === undefined) return;
    const { name, records } = this.broker;
    this.#lineOf(this.sink).missed = { log: name, upTo: records.length + count };
  }

  /** From now on it hears nothing, and nobody hears of it. */
  die(): void {
    this.#isDead = true;
    if (this.sink !== undefined) this.broker.sinks.delete(this.sink);
  }

  override publish(...args: Parameters<BrokerBackplane['publish']>) {
    if (this.#isDead) return Promise.reject(new SseError('BACKPLANE_UNAVAILABLE', 'dead'));
    return super.publish(...args);
  }

  protected override deliver(offset: number, record: EventRecord): void {
    const { name } = this.broker;
    for (const sink of this.broker.sinks) {
      const wait = this.random.int(0, 3);
      const line = this.#lineOf(sink);
      line.last = line.last.then(async () => {
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
        if (!this.broker.sinks.has(sink) || this.broker.name !== name) return;
        const { log, upTo } = line.missed;
        if (log === name && offset <= upTo) return;
        sink.lose(offset - 1);
        sink.append(offset, record);
      });
    }
  }

  #lineOf(sink: LogSink): Line {
    const line = this.lines.get(sink) ?? { last: Promise.resolve(), missed: { log: '', upTo: 0 } };
    this.lines.set(sink, line);
    return line;
  }
}

/** A connection, as far as presence looks at it. */
interface Visit {
  readonly owner: string;
  readonly tags: readonly string[];
  readonly topics: readonly string[];
  isEnded: boolean;
}

/** One instance without HTTP. */
export class Instance {
  readonly visits: Visit[] = [];
  onEnd: () => void = () => {};

  private constructor(
    readonly backplane: BrokerBackplane,
    readonly presence: SsePresence,
    readonly reception: Reception,
    readonly log: Log,
    private readonly connections: { readonly attendance: AttendancePort | undefined },
  ) {}

  static async start(
    name: string,
    backplane: BrokerBackplane,
    options: object,
    maxEvents = 1_000,
  ): Promise<Instance> {
    const history = { maxEvents, maxBytes: 2 ** 26, maxAge: false } as const;
    const turn = new TurnScheduler();
    const log = new Log(history, turn);
    await backplane.open(log, history);
    const bus = new EventBus(log, turn, backplane, () => []);
    const connections = { instance: name, attendance: undefined };
    const statistics = { bus, connections, log, backplane, turn, options: { history } };
    const presence = presenceOptions({ topics: ['room.**'], ...options }, 100);
    const reception = new Reception(statistics as unknown as Statistics, presence);
    return new Instance(backplane, new SsePresence(reception), reception, log, connections);
  }

  enter(owner: string, ...topics: string[]): void {
    const visit = { owner, tags: [], topics, isEnded: false };
    this.visits.push(visit);
    this.connections.attendance?.update(visit as unknown as Connection);
  }

  publish(topic: string): Promise<unknown> {
    return this.reception.bus.publish(topic, { data: '' });
  }

  /** One of its connections ends. */
  exit(place: number): void {
    const [visit] = this.visits.splice(place, 1);
    if (visit === undefined) return;
    visit.isEnded = true;
    this.connections.attendance?.release(visit as unknown as Connection);
  }

  close(): Promise<void> {
    return this.reception.close();
  }
}
