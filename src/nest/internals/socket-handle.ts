import { type HttpResponse, isHttp2, sessionOf } from '../../delivery/http.js';

/** What a socket's handle counts, in bytes; of a TLS socket the TCP handle below it has these too. */
interface Handle {
  /** All that it was ever given, what waits included. */
  readonly bytesWritten?: number;
  /** What the kernel has yet to take. */
  readonly writeQueueSize?: number;
  readonly _parent?: Handle | null;
}

/**
 * Bytes that the kernel has taken so far: it grows while a single large write is being taken, which the
 * streams of Node only tell the end of. Of HTTP/2 those of all streams of the session, as nobody tells
 * how far the write of one has come; over TLS the encrypted ones. In a Node that does not tell, always 0.
 */
export function takenOf(response: HttpResponse): number {
  const handle = handleOf(response);
  const lowest = handle?._parent ?? handle;
  return (lowest?.bytesWritten ?? 0) - (lowest?.writeQueueSize ?? 0);
}

function handleOf(response: HttpResponse): Handle | null | undefined {
  const session = sessionOf(response);
  if (isHttp2(response) && session?.destroyed !== false) return undefined;
  const { socket } = (session ?? response) as {
    readonly socket: { readonly _handle?: Handle | null } | null;
  };
  return socket?._handle;
}
