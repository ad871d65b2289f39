import { type ExecutionContext, RequestMethod } from '@nestjs/common';
import { HTTP_CODE_METADATA, METHOD_METADATA, SSE_METADATA } from '@nestjs/common/constants.js';
import type { HttpRequest, HttpResponse } from '../delivery/http.js';
import { isNative } from './route.decorators.js';

/** A response of Express, or a reply of Fastify. */
interface AdapterResponse {
  readonly raw?: HttpResponse;
  statusCode: number;
  getHeaders?(): object;
}

/**
 * Whether the handler is an `@Sse()` route, called over HTTP: for interceptors of the whole application that
 * are not made for streams, such as response wrappers, `timeout()` and caches.
 *
 * @example if (isSseRoute(context)) return next.handle();
 */
export function isSseRoute(context: ExecutionContext): boolean {
  return Reflect.hasMetadata(SSE_METADATA, context.getHandler()) && context.getType() === 'http';
}

/** Whether it is an `@Sse()` route that this package delivers, called over HTTP. */
export function isOurRoute(context: ExecutionContext): boolean {
  return context.getType() === 'http' && isOurHandler(context.getHandler(), context.getClass());
}

/** Whether a handler is an `@Sse()` route without `@NativeSse()`. */
export function isOurHandler(handler: object, controller: object): boolean {
  return Reflect.hasMetadata(SSE_METADATA, handler) && !isNative(handler, controller);
}

/** The request as Node gives it, on Express and on Fastify. */
export function requestOf(context: ExecutionContext): HttpRequest {
  // What switchToHttp() gives would stay on the context, for as long as the connection is open.
  const request = context.getArgByIndex<HttpRequest & { readonly raw?: HttpRequest }>(0);
  return request.raw ?? request;
}

export function responseOf(context: ExecutionContext): HttpResponse {
  const response = context.getArgByIndex<HttpResponse & AdapterResponse>(1);
  return response.raw ?? response;
}

/** What is set of the status and headers to come, as the adapter has it. */
export function answerHeadOf(context: ExecutionContext): AdapterResponse {
  return context.getArgByIndex<AdapterResponse>(1);
}

/** Nest answers POST with 201, and an EventSource takes nothing but 200 (WHATWG HTML 9.2.2). */
export function answerOk(context: ExecutionContext): void {
  const handler = context.getHandler();
  const isPost = Reflect.getMetadata(METHOD_METADATA, handler) === RequestMethod.POST;
  if (!isPost || Reflect.hasMetadata(HTTP_CODE_METADATA, handler)) return;
  answerHeadOf(context).statusCode = 200;
}

/** Where the client goes on from: the header, else `?lastEventId=` for a first connect; the header wins. */
export function lastEventIdOf(request: HttpRequest): string | undefined {
  const header = request.headers['last-event-id'];
  const first = Array.isArray(header) ? header[0] : header;
  if (first !== undefined && first !== '') return fromUtf8(first);
  const url = request.url ?? '';
  const mark = url.indexOf('?');
  // Only the first one begins the query: others may stand in it as they are (RFC 3986, section 3.4).
  if (mark < 0) return undefined;
  return new URLSearchParams(url.slice(mark + 1)).get('lastEventId') || undefined;
}

/** Clients send UTF-8 (WHATWG HTML 9.2.3), of which Node makes a character for each byte. */
function fromUtf8(header: string): string {
  if (!/[\x80-\xff]/.test(header)) return header;
  const text = Buffer.from(header, 'latin1').toString();
  return text.includes('\ufffd') ? header : text;
}

/** What the adapters know of a request: Express has `route`, Fastify `routeOptions`. */
interface AdapterRequest {
  readonly ip?: unknown;
  readonly baseUrl?: unknown;
  readonly originalUrl?: unknown;
  readonly route?: { readonly path?: unknown } | undefined;
  readonly routeOptions?: { readonly url?: unknown } | undefined;
}

/** The client's address: the adapter knows which proxies it may believe. */
export function remoteAddressOf(context: ExecutionContext): string {
  const { ip } = context.getArgByIndex<AdapterRequest>(0);
  return typeof ip === 'string' ? ip : (requestOf(context).socket.remoteAddress ?? '');
}

/** The path as requested, without the query. */
export function pathOf(context: ExecutionContext): string {
  const { originalUrl } = context.getArgByIndex<AdapterRequest>(0);
  const url = typeof originalUrl === 'string' ? originalUrl : (requestOf(context).url ?? '');
  return url.split('?', 1)[0] ?? '';
}

/** The pattern of the route, with prefix and version; the path where the adapter does not tell. */
export function patternOf(context: ExecutionContext): string {
  const { route, routeOptions, baseUrl } = context.getArgByIndex<AdapterRequest>(0);
  const pattern = route?.path ?? routeOptions?.url;
  if (typeof pattern !== 'string') return pathOf(context);
  return typeof baseUrl === 'string' ? baseUrl + pattern : pattern;
}
