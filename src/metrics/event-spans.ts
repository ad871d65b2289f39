import {
  context,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api';
import type { PublishTracer, TracedPublish } from '../bus/publish-tracer.js';
import { isA, messageOf, SseError } from '../errors.js';
import type { Cursor } from '../log/cursor.js';
import type { Entry } from '../log/entry.js';
import type { Statistics } from '../nest/statistics.js';
import { spanContextOf, traceparentFor } from './span-context.js';

/** Milliseconds after which what comes is history, and nobody's trace goes on with it. */
const RECENT = 60_000;

/** By the conventions for messaging; a topic is in none of them, as there is no end to topics. */
const SYSTEM = { 'messaging.system': 'nestjs-event-stream' };
const PUBLISH = {
  ...SYSTEM,
  'messaging.operation.name': 'publish',
  'messaging.operation.type': 'send',
};
const DELIVER = {
  ...SYSTEM,
  'messaging.operation.name': 'deliver',
  'messaging.operation.type': 'process',
};

/**
 * A span for each publish, and on each instance one for the delivery of the event to all of its clients: of the same
 * trace, wherever the event was published.
 */
export class EventSpans implements PublishTracer {
  readonly #statistics: Statistics;
  readonly #tracer: Tracer;
  #offset: number;
  #breaks: number;
  readonly #stop: () => void;

  constructor(statistics: Statistics, tracer: Tracer) {
    const { bus, log, turn } = statistics;
    this.#statistics = statistics;
    this.#tracer = tracer;
    this.#offset = log.head;
    this.#breaks = log.breaks;
    bus.tracer = this;
    this.#stop = turn.onEnd(() => {
      if (log.head !== this.#offset) this.#onRound();
    });
  }

  begin(): TracedPublish {
    const options = { kind: SpanKind.PRODUCER, attributes: PUBLISH };
    const span = this.#tracer.startSpan('publish', options, context.active());
    return {
      trace: traceparentFor(span),
      end: (cursor: Cursor | undefined, error?: unknown) => {
        if (cursor !== undefined) span.setAttribute('messaging.message.id', cursor);
        else {
          span.setAttribute('error.type', isA(error, SseError) ? error.code : '_OTHER');
          span.setStatus({ code: SpanStatusCode.ERROR, message: messageOf(error) });
        }
        span.end();
      },
    };
  }

  close(): void {
    const { bus } = this.#statistics;
    if (bus.tracer === this) bus.tracer = undefined;
    this.#stop();
  }

  #onRound(): void {
    const { log } = this.#statistics;
    const after = this.#offset;
    const isContinued = log.breaks === this.#breaks;
    this.#offset = log.head;
    this.#breaks = log.breaks;
    if (!isContinued) return;
    for (const entry of log.entriesAfter(after)) this.#onDelivered(entry);
  }

  #onDelivered(entry: Entry): void {
    const published = spanContextOf(entry.trace);
    if (published === undefined || Date.now() - entry.publishedAt > RECENT) return;
    const options = {
      kind: SpanKind.CONSUMER,
      startTime: performance.timeOrigin + entry.appendedAt,
      attributes: {
        ...DELIVER,
        'messaging.message.id': this.#statistics.log.cursorAt(entry.offset),
      },
      links: [{ context: published }],
    };
    // A round runs in the context of whoever asked for it first.
    const parent = trace.setSpanContext(ROOT_CONTEXT, published);
    this.#tracer.startSpan('deliver', options, parent).end();
  }
}
