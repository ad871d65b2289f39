import { request, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { Controller, type INestApplication, type MessageEvent, Param, Sse } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import type { Observable } from 'rxjs';
import { urlOf } from '../support/each-adapter.js';

@Controller()
export class Routes {
  constructor(private readonly bus: EventBus) {}

  @Sse('news/:topic')
  news(@Param('topic') topic: string): Observable<MessageEvent> {
    return this.bus.stream(topic);
  }
}

interface Row {
  readonly id: string;
  readonly reason?: string;
  readonly bytes: number;
  readonly retention?: object;
}

interface Rows {
  readonly total: number;
  readonly rows: readonly Row[];
}

/** What the page is told, as far as tests read it. */
export interface State {
  readonly connections: Rows;
  readonly topics: Rows;
  readonly tail: { readonly isCut: boolean; readonly events: readonly object[] };
  readonly ends: readonly Row[];
  readonly instances: readonly object[];
  readonly runs?: readonly object[];
}

/** A request as the page sends it, unless it says otherwise. */
export interface Ask {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Without the header that only the page can send. */
  readonly isBare?: boolean;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: unknown;
}

/** By `node:http`, which sends any `Host`. */
export async function ask(app: INestApplication, path: string, asked: Ask = {}): Promise<Reply> {
  const { body, isBare = false } = asked;
  const own = isBare ? {} : { 'x-event-inspector': '1' };
  const json = body === undefined ? {} : { 'content-type': 'application/json' };
  const method = body === undefined ? 'GET' : 'POST';
  const headers = { ...own, ...json, ...asked.headers };
  const sent = request(`${urlOf(app)}${path}`, { method, headers, agent: false });
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const received = await text(response);
  const isJson = response.headers['content-type']?.includes('json') === true;
  return {
    status: response.statusCode ?? 0,
    headers: new Headers(response.headers as Record<string, string>),
    text: received,
    body: isJson ? JSON.parse(received) : undefined,
  };
}
