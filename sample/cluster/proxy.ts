import {
  createServer,
  type IncomingMessage,
  request as send,
  type Server,
  type ServerResponse,
} from 'node:http';
import { setTimeout } from 'node:timers/promises';
import type { Instance } from './instance.js';

/** Milliseconds between attempts while no instance answers. */
const PAUSE = 100;

/**
 * Gives each request to the next instance, or to another one if that is dead. `POST /kill/:name` is its
 * own: it kills an instance. Requests of the sample have no body, so that each can be sent again.
 */
export function createProxy(instances: readonly Instance[]): Server {
  let turn = 0;

  /** Tries until an instance answers: a status other than 200 would make an EventSource give up. */
  async function forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    while (!response.destroyed) {
      const alive = instances.filter(({ port }) => port !== undefined);
      const port = alive[turn++ % alive.length]?.port;
      const answer = port === undefined ? undefined : await ask(port, request, response);
      if (answer !== undefined) {
        passOn(answer, response);
        return;
      }
      await setTimeout(PAUSE);
    }
  }

  return createServer((request, response) => {
    const [, name] = /^\/kill\/(\w+)$/.exec(request.url ?? '') ?? [];
    if (request.method === 'POST' && name !== undefined) {
      instances.find((instance) => instance.name === name)?.kill();
      response.writeHead(202).end();
    } else {
      void forward(request, response);
    }
  });
}

/** What the instance answers, or undefined if it does not. */
function ask(
  port: number,
  { method, url, headers }: IncomingMessage,
  response: ServerResponse,
): Promise<IncomingMessage | undefined> {
  return new Promise((resolve) => {
    const outgoing = send({ host: '127.0.0.1', port, method, path: url, headers, agent: false });
    outgoing.once('response', resolve);
    outgoing.on('error', () => resolve(undefined));
    response.once('close', () => outgoing.destroy());
    outgoing.end();
  });
}

function passOn(answer: IncomingMessage, response: ServerResponse): void {
  response.writeHead(answer.statusCode ?? 502, answer.headers);
  // The headers of a stream do not wait for its first event.
  response.flushHeaders();
  answer.pipe(response);
  const isStream = answer.headers['content-type']?.startsWith('text/event-stream') ?? false;
  // A stream that breaks off is one that ends: what is incomplete is dropped, and the client comes back.
  answer.on('error', () => (isStream ? response.end() : response.destroy()));
}
