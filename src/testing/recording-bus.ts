import { MemoryBackplane } from '../backplane/memory.backplane.js';
import type { PublishOptions } from '../backplane/backplane.js';
import { EventBus } from '../bus/event-bus.js';
import type { EventOptions } from '../bus/event-options.js';
import type { Cursor } from '../log/cursor.js';
import type { EventRecord, ExceptedClients } from '../log/entry.js';
import type { AnyEvents, NewEvent } from '../log/event.js';
import { MAX_EVENT_BYTES } from '../log/event-record.js';
import type { Jsonify } from '../json.js';
import { DEFAULT_HISTORY } from '../log/log-sink.js';
import { Log } from '../log/log.js';
import { checkSchemas, type EventSchemas } from '../log/standard-schema.js';
import { TurnScheduler } from '../log/turn-scheduler.js';
import { GivenOptions } from '../options.js';

type Published<Events extends object> = AnyEvents extends Events ? Record<string, unknown> : Events;

/** An event that was published; a field that it does not have is not there. */
export type PublishedEvent<Events extends object = Record<string, unknown>> = {
  [Type in keyof Events & string]: {
    readonly topics: readonly string[];
    /** `message` where it was published without one. */
    readonly type: Type;
    /** As clients get it. */
    readonly data: Jsonify<Events[Type]>;
    readonly key?: string;
    readonly except?: ExceptedClients;
    readonly idempotencyKey?: string;
  };
}[keyof Events & string];

/** What of `SseModule.forRoot()` decides which events are refused. */
export interface RecordingBusOptions {
  /**
   * Schemas of the data, as `events` of `SseModule.forRoot()`.
   *
   * @defaultValue none
   */
  readonly events?: EventSchemas | undefined;
  /**
   * Bytes of an event's data, as `maxEventBytes` of `SseModule.forRoot()`.
   *
   * @defaultValue 1_048_576
   */
  readonly maxEventBytes?: number | undefined;
}

class RecordingBackplane extends MemoryBackplane {
  readonly published: PublishedEvent[] = [];
  readonly #log: Log;
  isRecording = true;

  constructor(log: Log) {
    super();
    this.#log = log;
  }

  override async publish(record: EventRecord, options: PublishOptions = {}): Promise<Cursor> {
    const { head } = this.#log;
    const { isRecording } = this;
    const ordered = super.publish(record, options);
    // With an idempotency key that was used before nothing is published.
    if (isRecording && this.#log.head > head) this.published.push(recordOf(record, options));
    return ordered;
  }
}

/** See {@link recordingBus}. */
export class RecordingBus<Events extends object = object> extends EventBus<Events> {
  readonly #backplane: RecordingBackplane;
  readonly #log: Log;
  readonly #turn: TurnScheduler;

  /** @internal Made by {@link recordingBus}. */
  constructor(options: RecordingBusOptions) {
    const given = new GivenOptions('recordingBus()', 'options', options, [
      'events',
      'maxEventBytes',
    ]);
    const schemas = checkSchemas(given.get('events'));
    const maxEventBytes = given.number('maxEventBytes', MAX_EVENT_BYTES, { least: 1 });
    const turn = new TurnScheduler();
    const log = new Log(DEFAULT_HISTORY, turn);
    const backplane = new RecordingBackplane(log);
    super(log, turn, backplane, () => [], { maxEventBytes, schemas });
    this.#backplane = backplane;
    this.#log = log;
    this.#turn = turn;
    void backplane.open(log);
  }

  /** What was published, in its order: there as soon as `publish` is called, whoever awaits it. */
  get published(): readonly PublishedEvent<Published<Events>>[] {
    return this.#backplane.published as unknown as PublishedEvent<Published<Events>>[];
  }

  /** Forgets what was published; streams that are open stay. */
  clear(): void {
    this.#backplane.published.length = 0;
  }

  /**
   * Publishes as another instance would, which is not in `published`. Resolves when the streams that are open
   * have been given the event; rejects as `publish` does.
   */
  async emit(
    topics: string | readonly string[],
    event: NewEvent<Published<Events>>,
    options?: EventOptions,
  ): Promise<Cursor> {
    this.#backplane.isRecording = false;
    const emitted = this.publish(topics, event, options);
    this.#backplane.isRecording = true;
    const cursor = await emitted;
    await this.#turn.nextRound();
    return cursor;
  }

  /** Loses an event, so that every stream that is open is given a `gap`. Resolves when it has been. */
  async forceGap(): Promise<void> {
    this.#log.lose(this.#log.head + 1);
    await this.#turn.nextRound();
  }
}

/**
 * An `EventBus` for unit tests of what publishes or streams, without Nest: the real one, on a log in memory, which
 * refuses what the real one refuses (but for class-transformer's reasons) and keeps what was published.
 *
 * @throws SseError `BAD_OPTION`
 * @example
 * const bus = recordingBus<ShopEvents>();
 * await new Orders(bus).pay(7);
 * expect(bus.published).toEqual([{ topics: ['orders'], type: 'paid', data: { id: 7 } }]);
 */
export function recordingBus<Events extends object = object>(
  options: RecordingBusOptions = {},
): RecordingBus<Events> {
  return new RecordingBus<Events>(options);
}

function recordOf(
  { topics, type = 'message', text, isJson, key, except }: EventRecord,
  { idempotencyKey }: PublishOptions,
): PublishedEvent {
  const data: unknown = isJson ? JSON.parse(text) : text;
  return {
    topics,
    type,
    data,
    ...(key !== undefined && { key }),
    ...(except !== undefined && { except }),
    ...(idempotencyKey !== undefined && { idempotencyKey }),
  };
}
