import type { IncomingMessage } from 'node:http';
import {
  type Attributes,
  type Context,
  context,
  type Histogram,
  type Meter,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api';
import { Subscription } from 'rxjs';
import type { ConnectionInfo, EndedConnection } from '../delivery/connection-info.js';
import type { ConnectionTracer, TracedConnection } from '../delivery/open-request.js';
import type { Statistics } from '../nest/statistics.js';
import { attributesOf, DURATION, spanAttributesOf } from './http-attributes.js';
import { type TrackedRequest, TrackedRequests } from './tracked-requests.js';

/** One connection on its way. */
interface TracedStream {
  /** Undefined where the request is not ours to measure. */
  readonly tracked: TrackedRequest | undefined;
  /** What its spans belong to. */
  readonly context: Context;
  /** Of the open stream. */
  streamSpan: Span | undefined;
}

/**
 * Traces requests for event streams: the request ends when its stream opens, and the stream has a span of its own.
 * Of requests that the HTTP instrumentation measures itself there is only the stream's span.
 */
export class RequestSpans implements ConnectionTracer {
  readonly #statistics: Statistics;
  readonly #tracer: Tracer;
  readonly #durations: Histogram;
  readonly #requests: TrackedRequests;
  readonly #streams = new Map<string, TracedStream>();
  /** Requests that are measured, so that their end says nothing more. */
  readonly #measured = new WeakSet<TrackedRequest>();
  readonly #spans = new WeakMap<TrackedRequest, Span>();
  readonly #subscription = new Subscription();

  constructor(
    statistics: Statistics,
    tracer: Tracer,
    meter: Meter,
    server: unknown,
    isEventStream: (request: IncomingMessage) => boolean,
  ) {
    const { connections } = statistics;
    this.#statistics = statistics;
    this.#tracer = tracer;
    this.#durations = meter.createHistogram(DURATION.name, DURATION.options);
    this.#requests = new TrackedRequests(server, isEventStream, (tracked) =>
      this.#onClose(tracked),
    );
    this.#subscription.add(connections.openings.subscribe((info) => this.#onOpened(info)));
    this.#subscription.add(connections.ends.subscribe((end) => this.#onEnded(end)));
    connections.tracer = this;
  }

  run<T>({ id, response }: TracedConnection, work: () => T): T {
    const tracked = this.#requests.of(response.req as IncomingMessage);
    const own = tracked?.isOurs === true ? tracked : undefined;
    const span = own && this.#startRequest(own);
    const inner = span === undefined ? context.active() : trace.setSpan(this.#parentOf(own), span);
    this.#streams.set(id, { tracked: own, context: inner, streamSpan: undefined });
    return context.with(inner, work);
  }

  close(): void {
    const { connections } = this.#statistics;
    if (connections.tracer === this) connections.tracer = undefined;
    this.#subscription.unsubscribe();
    this.#requests.close();
  }

  #startRequest(tracked: TrackedRequest): Span {
    const { request, startedAt } = tracked;
    const options = {
      kind: SpanKind.SERVER,
      startTime: startedAt,
      attributes: spanAttributesOf(request),
    };
    const name = request.method ?? 'HTTP';
    const span = this.#tracer.startSpan(name, options, this.#parentOf(tracked));
    this.#spans.set(tracked, span);
    return span;
  }

  #parentOf(tracked: TrackedRequest | undefined): Context {
    return propagation.extract(ROOT_CONTEXT, tracked?.request.headers ?? {});
  }

  #onOpened({ id, route, since }: ConnectionInfo): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    const [, pattern = ''] = route.split(/ (.*)/, 2);
    if (stream.tracked !== undefined) this.#endRequest(stream.tracked, pattern);
    const attributes = { 'http.route': pattern, 'sse.connection.id': id };
    const startTime = Math.max(since.getTime(), stream.tracked?.startedAt ?? 0);
    const options = { kind: SpanKind.INTERNAL, startTime, attributes };
    stream.streamSpan = this.#tracer.startSpan(`stream ${pattern}`, options, stream.context);
  }

  #onEnded({ connection: { id }, reason, bytes }: EndedConnection): void {
    const span = this.#streams.get(id)?.streamSpan;
    this.#streams.delete(id);
    if (span === undefined) return;
    span.setAttributes({ 'sse.connection.end_reason': reason, 'sse.connection.bytes': bytes });
    if (reason === 'error') span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
  }

  /** Whoever did not get a stream: refused by a guard, not found, or gone. */
  #onClose(tracked: TrackedRequest): void {
    if (tracked.isOurs) this.#endRequest(tracked, undefined);
  }

  #endRequest(tracked: TrackedRequest, route: string | undefined): void {
    if (this.#measured.has(tracked)) return;
    this.#measured.add(tracked);
    const span = this.#spans.get(tracked) ?? this.#startRequest(tracked);
    const { request, response, startedAt } = tracked;
    const status = response.statusCode;
    const attributes: Attributes = attributesOf(request, status, route);
    span.setAttributes(attributes);
    if (route !== undefined) span.updateName(`${request.method ?? 'HTTP'} ${route}`);
    if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
    const now = performance.timeOrigin + performance.now();
    this.#durations.record((now - startedAt) / 1_000, attributes);
  }
}
