import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, request, STATUS_CODES } from 'node:http';
import { connect as connectHttp2, type IncomingHttpStatusHeader } from 'node:http2';
import { request as requestSecurely } from 'node:https';
import type { Readable } from 'node:stream';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';

/** A request that asks for a stream. */
export interface SentRequest {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: string | undefined;
  /** Whether the server of an `http:` URL speaks HTTP/2. */
  readonly isHttp2: boolean;
  readonly tls: ConnectionOptions;
}

/** What came back, whatever the version of HTTP. */
export interface Answer {
  readonly status: number;
  readonly statusText: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Readable;
  destroy(): void;
}

/**
 * Sends a request and waits for the head of its answer: over HTTP/1.1, over HTTP/2 without TLS, and, where there is
 * TLS, over whichever of them the server prefers.
 */
export async function send(sent: SentRequest, signal: AbortSignal): Promise<Answer> {
  if (sent.url.protocol === 'http:')
    return sent.isHttp2 ? sendByHttp2(sent, signal) : sendByHttp1(sent, signal);
  const socket = await openTls(sent, signal);
  return socket.alpnProtocol === 'h2'
    ? sendByHttp2(sent, signal, socket)
    : sendByHttp1(sent, signal, socket);
}

async function openTls({ url, tls }: SentRequest, signal: AbortSignal): Promise<TLSSocket> {
  const { hostname } = url;
  const socket = connectTls({
    host: hostname,
    port: Number(url.port || 443),
    ALPNProtocols: ['h2', 'http/1.1'],
    // A name is sent only where there is one (RFC 6066, 3).
    ...(!/^[\d.[]/.test(hostname) && { servername: hostname }),
    ...tls,
  });
  await once(socket, 'secureConnect', { signal }).catch((cause: unknown) => {
    socket.destroy();
    throw cause;
  });
  return socket;
}

async function sendByHttp1(
  { url, method, headers, payload }: SentRequest,
  signal: AbortSignal,
  socket?: TLSSocket,
): Promise<Answer> {
  const outgoing = socket
    ? requestSecurely(url, { method, headers, createConnection: () => socket })
    : request(url, { method, headers, agent: false });
  // It breaks when it is closed or given up; whoever waits for an answer or an event is told.
  outgoing.on('error', () => {});
  outgoing.end(payload);
  const [body] = (await once(outgoing, 'response', { signal }).catch((cause: unknown) => {
    outgoing.destroy();
    throw cause;
  })) as [IncomingMessage];
  const { statusCode = 0, statusMessage = '', headers: told } = body;
  const destroy = () => outgoing.destroy();
  return { status: statusCode, statusText: statusMessage, headers: told, body, destroy };
}

/** Like a browser, it keeps the session when a stream has ended, until it is closed. */
async function sendByHttp2(
  { url, method, headers, payload }: SentRequest,
  signal: AbortSignal,
  socket?: TLSSocket,
): Promise<Answer> {
  const session = connectHttp2(url, { ...(socket && { createConnection: () => socket }) });
  const broken = new Promise<never>((_, reject) => session.on('error', reject));
  broken.catch(() => {});
  const body = session.request({
    ':path': url.pathname + url.search,
    ':method': method,
    ...headers,
  });
  body.end(payload);
  body.once('close', () => session.unref());
  const destroy = () => {
    body.destroy();
    session.close();
  };
  const answered = once(body, 'response', { signal });
  const [told] = (await Promise.race([answered, broken]).catch((cause: unknown) => {
    session.destroy();
    throw cause;
  })) as [IncomingHttpHeaders & IncomingHttpStatusHeader];
  const status = told[':status'] ?? 0;
  return { status, statusText: STATUS_CODES[status] ?? '', headers: told, body, destroy };
}
