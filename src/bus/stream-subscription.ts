import type { Subscriber } from 'rxjs';
import type { Cursor } from '../log/cursor.js';
import type { SseEvent } from '../log/event.js';
import type { TopicMatcher } from '../log/matching.js';
import type { TurnScheduler } from '../log/turn-scheduler.js';
import { Reader } from '../reader/reader.js';
import type { ReaderContext } from '../reader/reader-context.js';
import { ReaderStream } from '../reader/reader-stream.js';
import type { ConnectionPort, Output } from '../reader/sink.js';
import type { StreamPlan } from '../reader/stream-options.js';
import { SubscriberSink } from '../reader/subscriber-sink.js';
import { TopicCursor } from '../reader/topic-cursor.js';

/** What a stream selects, and how. */
export interface Selection {
  readonly topics: readonly string[] | TopicMatcher;
  readonly plan: StreamPlan;
}

/** One subscription to a stream: served by a connection's reader, or by one of its own. */
export class StreamSubscription {
  #leave = () => {};
  readonly #context: ReaderContext;
  readonly #turn: TurnScheduler;
  readonly #selection: Selection;
  readonly #subscriber: Subscriber<SseEvent>;

  constructor(
    context: ReaderContext,
    turn: TurnScheduler,
    selection: Selection,
    subscriber: Subscriber<SseEvent>,
  ) {
    this.#context = context;
    this.#turn = turn;
    this.#selection = selection;
    this.#subscriber = subscriber;
  }

  /** On a connection that its events are known to go to. */
  join(connection: ConnectionPort): void {
    expelGuests(connection);
    const reader = readerOf(connection, this.#context);
    const output = connection.directOutputFor(this.#subscriber);
    this.#read(reader, connection, output, undefined);
  }

  /** On a connection that its events may go to, until a stream joins whose events are known to. */
  joinAsGuest(connection: ConnectionPort): void {
    const reader = readerOf(connection, this.#context);
    const guest = this.#read(reader, connection, undefined, () => {
      // A snapshot that was not handed out to the end is asked for again.
      const from = guest.isOwed || guest.snapshot !== undefined ? undefined : reader.cursor;
      guest.held.clear();
      this.close();
      this.openAlone(from);
    });
  }

  /** Outside of any connection: an ordinary, live Observable. */
  openAlone(from?: Cursor): void {
    const sink = new SubscriberSink(this.#turn, this.#subscriber);
    const { topics, plan } = this.#selection;
    const reader = (sink.reader = new Reader(this.#context, sink, from));
    const cursor = new TopicCursor(this.#context, topics, sink);
    this.#enter(
      reader,
      new ReaderStream(cursor, plan, this.#subscriber, this.#context.warn, 'subscriber'),
    );
  }

  close(): void {
    this.#leave();
  }

  #read(
    reader: Reader,
    connection: ConnectionPort,
    output: Output | undefined,
    expel: (() => void) | undefined,
  ): ReaderStream {
    const { topics, plan } = this.#selection;
    const cursor = new TopicCursor(this.#context, topics, connection);
    const way = output === undefined ? 'operators' : 'direct';
    const stream = new ReaderStream(
      cursor,
      plan,
      output ?? this.#subscriber,
      this.#context.warn,
      way,
      expel,
    );
    this.#enter(reader, stream);
    return stream;
  }

  #enter(reader: Reader, stream: ReaderStream): void {
    this.#leave = () => {
      this.#leave = () => {};
      reader.leave(stream);
    };
    reader.join(stream);
  }
}

function readerOf(connection: ConnectionPort, context: ReaderContext): Reader {
  return (connection.reader ??= new Reader(context, connection, connection.lastEventId));
}

/** The connection belongs to streams whose events are known to come to it. */
function expelGuests(connection: ConnectionPort): void {
  const { reader } = connection;
  if (reader === undefined) return;
  for (const { expel } of reader.streams.all) expel?.();
  // What it has read was for nobody here: the client goes on where it asked to.
  if (!reader.streams.isProven) connection.reader = undefined;
}
