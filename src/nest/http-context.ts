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

/** Whether the handler is an `@Sse()` route that is ours, called over HTTP. */
export function isSseRoute(context: ExecutionContext): boolean {
  if (!Reflect.hasMetadata(SSE_METADATA, context.getHandler())) return false;
  return context.getType() === 'http' && !isNative(context);
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
  if (first !== undefined && first !== '') return first;
  const query = (request.url ?? '').split('?', 2)[1];
  if (query === undefined) return undefined;
  return new URLSearchParams(query).get('lastEventId') || undefined;
}

/** Method and path as requested. */
export function routeOf(request: HttpRequest): string {
  const url = 'originalUrl' in request ? String(request.originalUrl) : (request.url ?? '');
  return `${request.method ?? 'GET'} ${url.split('?', 1)[0] ?? ''}`;
}
