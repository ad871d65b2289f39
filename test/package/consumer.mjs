// An application as others would write it, checked over real sockets: `npm run check:nest` runs it beside the
// packed package and one version of Nest. It takes the name of an adapter, express or fastify, and prints one
// line of JSON for each check.
import 'reflect-metadata';
import { request } from 'node:http';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Catch,
  Controller,
  ConflictException,
  ForbiddenException,
  Get,
  Header,
  HttpException,
  Module,
  NotFoundException,
  Param,
  ParseIntPipe,
  RequestMethod,
  Sse,
  UseFilters,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { APP_INTERCEPTOR, NestFactory } from '@nestjs/core';
import { EventBus, SseConnections, SseModule } from 'nestjs-event-stream';
import { catchError, concat, EMPTY, from, map, NEVER, of, tap, throwError } from 'rxjs';
import { delay as after } from 'rxjs/operators';

const adapter = process.argv[2] ?? 'express';
const unexpected = [];
process.on('unhandledRejection', (error) => unexpected.push(error));
process.on('uncaughtException', (error) => unexpected.push(error));

/** Applies decorators as TypeScript would, so that what runs is what Node reads. */
function decorate(type, members, ...own) {
  for (const [name, { params = [], decorators }] of Object.entries(members)) {
    const descriptor = Object.getOwnPropertyDescriptor(type.prototype, name);
    params.forEach((decorator, index) => decorator(type.prototype, name, index));
    for (const decorator of [...decorators].reverse()) decorator(type.prototype, name, descriptor);
    Object.defineProperty(type.prototype, name, descriptor);
  }
  for (const decorator of own) decorator(type);
}

class Deny {
  async canActivate() {
    await sleep(5);
    throw new ForbiddenException();
  }
}

class LateFilter {
  async catch(error, host) {
    await sleep(30);
    const response = host.switchToHttp().getResponse();
    const status = error instanceof HttpException ? error.getStatus() : 500;
    if (adapter === 'express') response.status(status).json({ late: true });
    else response.status(status).send({ late: true });
  }
}
Catch()(LateFilter);

class Shout {
  intercept(context, next) {
    return next.handle().pipe(map((event) => ({ ...event, data: `${event.data}!` })));
  }
}

class Cached {
  intercept() {
    return of({ data: 'cached' });
  }
}

class Forgiving {
  intercept(context, next) {
    return next.handle().pipe(catchError(() => EMPTY));
  }
}

class SetsHeader {
  intercept(context, next) {
    const response = context.switchToHttp().getResponse();
    if (adapter === 'express') response.setHeader('x-late', 'set');
    else response.header('x-late', 'set');
    return next.handle();
  }
}

const seen = [];
class Watch {
  intercept(context, next) {
    return next.handle().pipe(tap((value) => seen.push(value?.data)));
  }
}

class Routes {
  constructor(bus) {
    this.bus = bus;
  }

  stream() {
    return this.bus.stream('news');
  }
  mapped() {
    return this.bus.stream('news').pipe(map(({ data, ...event }) => ({ ...event, data: [data] })));
  }
  async later() {
    await sleep(20);
    return this.bus.stream('news');
  }
  post() {
    return this.bus.stream('news');
  }
  finite() {
    return from([{ data: 'one' }, { data: { two: 2 } }]);
  }
  empty() {
    return EMPTY;
  }
  throws() {
    throw new ConflictException();
  }
  async rejects() {
    await sleep(40);
    throw new NotFoundException();
  }
  errors() {
    return of(1).pipe(
      after(40),
      map(() => {
        throw new ConflictException();
      }),
    );
  }
  async filtered() {
    await sleep(10);
    throw new ConflictException();
  }
  crashes() {
    return throwError(() => new Error('a secret'));
  }
  guarded() {
    return NEVER;
  }
  piped() {
    return NEVER;
  }
  fails() {
    return concat(
      of({ data: 'first' }),
      throwError(() => new Error('a secret')),
    );
  }
  failsKindly() {
    return concat(
      of({ data: 'first' }),
      throwError(() => new ForbiddenException('members only')),
    );
  }
  shouted() {
    return of({ data: 'hello' });
  }
  cached() {
    return NEVER;
  }
  forgiven() {
    return throwError(() => new ConflictException());
  }
  headed() {
    return of({ data: 'x' });
  }
  silent() {
    return NEVER;
  }
  plain() {
    return { plain: true };
  }
}
const POST = { method: RequestMethod.POST };
const sse = (path, ...more) => ({ decorators: [Sse(path), ...more] });
Reflect.defineMetadata('design:paramtypes', [EventBus], Routes);
Reflect.defineMetadata('design:paramtypes', [Number], Routes.prototype, 'piped');
decorate(
  Routes,
  {
    stream: sse('stream'),
    mapped: sse('mapped'),
    later: sse('later'),
    post: { decorators: [Sse('post', POST)] },
    finite: sse('finite'),
    empty: sse('empty'),
    throws: sse('throws'),
    rejects: sse('rejects'),
    errors: sse('errors'),
    filtered: sse('filtered', UseFilters(LateFilter)),
    crashes: sse('crashes'),
    guarded: sse('guarded', UseGuards(Deny)),
    piped: { decorators: [Sse('piped/:id')], params: [Param('id', ParseIntPipe)] },
    fails: sse('fails'),
    failsKindly: sse('fails-kindly'),
    shouted: sse('shouted', UseInterceptors(Shout)),
    cached: sse('cached', UseInterceptors(Cached)),
    forgiven: sse('forgiven', UseInterceptors(Forgiving)),
    headed: sse('headed', Header('x-own', 'yes'), UseInterceptors(SetsHeader)),
    silent: sse('silent'),
    plain: { decorators: [Get('plain')] },
  },
  Controller(),
);

const warnings = [];
const nothing = () => {};
const logger = {
  log: nothing,
  error: nothing,
  debug: nothing,
  warn: (message) => warnings.push(message),
};

/** Starts the application. */
async function start(options = {}) {
  class Application {}
  Module({
    imports: [SseModule.forRoot({ openTimeout: 200, ...options })],
    controllers: [Routes],
    providers: [{ provide: APP_INTERCEPTOR, useClass: Watch }],
  })(Application);
  const settings = { logger, abortOnError: false };
  const { FastifyAdapter } =
    adapter === 'fastify'
      ? await import('@nestjs/platform-fastify')
      : { FastifyAdapter: undefined };
  const app = FastifyAdapter
    ? await NestFactory.create(Application, new FastifyAdapter(), settings)
    : await NestFactory.create(Application, settings);
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address();
  return { app, port, bus: app.get(EventBus), connections: app.get(SseConnections) };
}

/** Opens a request; what comes is in `text`. */
function open({ port }, path, { method = 'GET', headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const asked = request({ port, path, method, headers, agent: false, host: '127.0.0.1' });
    asked.setTimeout(8_000, () => asked.destroy(new Error(`${path} was silent for 8 s`)));
    asked.on('error', reject);
    asked.on('response', (response) => {
      const client = { status: response.statusCode, headers: response.headers, text: '' };
      let changed = () => {};
      response.setEncoding('utf8').on('data', (part) => {
        client.text += part;
        changed();
      });
      client.ended = new Promise((end) => {
        response.once('end', () => end('end')).once('error', () => end('error'));
      });
      client.until = (part) =>
        new Promise((found, missed) => {
          const look = () => {
            if (client.text.includes(part)) found(client.text);
          };
          changed = look;
          client.ended.then(() => {
            look();
            missed(new Error(`${path} ended without ${part}: ${JSON.stringify(client.text)}`));
          });
          look();
        });
      client.close = () => asked.destroy();
      resolve(client);
    });
    asked.end(body);
  });
}

/** A request that is answered whole. */
async function answer(server, path, options) {
  const client = await open(server, path, options);
  await client.ended;
  return client;
}

function equal(received, expected, what = '') {
  const [is, should] = [JSON.stringify(received), JSON.stringify(expected)];
  if (is !== should) throw new Error(`${what} is ${is}, not ${should}`);
}

function includes(text, part) {
  if (!text.includes(part)) throw new Error(`${JSON.stringify(text)} lacks ${part}`);
}

const idsOf = (text) => [...text.matchAll(/^id: (.+)$/gm)].map(([, id]) => id);

const checks = {
  'the inside of this Nest is known': () => {
    equal(warnings, []);
  },
  'require() and import give one module': () => {
    const required = createRequire(import.meta.url)('nestjs-event-stream');
    if (required.SseModule !== SseModule) throw new Error('they differ');
  },
  'a stream has its head, a first frame and events': async (server) => {
    const client = await open(server, '/stream');
    equal(client.status, 200, 'status');
    includes(client.headers['content-type'], 'text/event-stream');
    includes(client.headers['cache-control'], 'no-transform');
    await client.until('retry: ');
    const cursor = await server.bus.publish('news', { type: 'headline', data: { a: 1 } });
    await client.until('data: {"a":1}');
    includes(client.text, `id: ${cursor}`);
    includes(client.text, 'event: headline');
    client.close();
  },
  'a stream behind an operator': async (server) => {
    const client = await open(server, '/mapped');
    const cursor = await server.bus.publish('news', { data: 'mapped' });
    await client.until('data: ["mapped"]');
    includes(client.text, `id: ${cursor}`);
    client.close();
  },
  'a stream of an asynchronous handler': async (server) => {
    const client = await open(server, '/later');
    await server.bus.publish('news', { data: 'late' });
    await client.until('data: late');
    client.close();
  },
  'a hundred events arrive in order, once': async (server) => {
    const client = await open(server, '/stream');
    for (let i = 0; i < 100; i++) void server.bus.publish('news', { data: `n${i}.` });
    await client.until('data: n99.');
    const data = [...client.text.matchAll(/^data: n(\d+)\.$/gm)].map(([, i]) => Number(i));
    equal(
      data,
      Array.from({ length: 100 }, (_, i) => i),
    );
    client.close();
  },
  'Last-Event-ID resumes': async (server) => {
    const cursor = await server.bus.publish('news', { data: 'known' });
    await server.bus.publish('news', { data: 'missed' });
    const client = await open(server, '/stream', { headers: { 'last-event-id': cursor } });
    await client.until('data: missed');
    if (client.text.includes('known')) throw new Error('an event came again');
    equal(idsOf(client.text)[0], cursor, 'the first id');
    client.close();
  },
  '?lastEventId= resumes': async (server) => {
    const cursor = await server.bus.publish('news', { data: 'known' });
    await server.bus.publish('news', { data: 'missed' });
    const client = await open(server, `/stream?lastEventId=${cursor}`);
    await client.until('data: missed');
    client.close();
  },
  'an unknown id is a gap': async (server) => {
    const client = await open(server, '/stream', { headers: { 'last-event-id': 'nonsense' } });
    await client.until('event: gap');
    await client.until('"reason":"unknown"');
    client.close();
  },
  'what was trimmed is a gap': async () => {
    const server = await start({ history: { maxEvents: 5 } });
    try {
      const cursor = await server.bus.publish('news', { data: 0 });
      for (let i = 0; i < 50; i++) await server.bus.publish('news', { data: i });
      const client = await open(server, '/stream', { headers: { 'last-event-id': cursor } });
      await client.until('"reason":"trimmed"');
      client.close();
    } finally {
      await server.app.close();
    }
  },
  'heartbeats tell the cursor': async () => {
    const server = await start({ heartbeatInterval: 40 });
    try {
      const client = await open(server, '/stream');
      const cursor = await server.bus.publish('other', { data: 0 });
      await client.until(`id: ${cursor}\n\n`);
      client.close();
    } finally {
      await server.app.close();
    }
  },
  'a finite stream ends': async (server) => {
    const { status, text } = await answer(server, '/finite');
    equal(status, 200, 'status');
    includes(text, 'data: one\n');
    includes(text, 'data: {"two":2}\n');
    equal(idsOf(text), [], 'ids');
  },
  'an empty stream is a stream': async (server) => {
    const { status, headers } = await answer(server, '/empty');
    equal(status, 200, 'status');
    includes(headers['content-type'], 'text/event-stream');
  },
  'a handler that throws is answered with its status': (server) => early(server, '/throws', 409),
  'a handler that rejects is answered with its status': (server) => early(server, '/rejects', 404),
  'an Observable that fails early is answered with its status': (server) =>
    early(server, '/errors', 409),
  'an error that is no HttpException is answered with 500': async (server) => {
    const { text } = await early(server, '/crashes', 500);
    if (text.includes('secret')) throw new Error('the message went out');
  },
  'an exception filter may take its time': async (server) => {
    const { text } = await early(server, '/filtered', 409);
    includes(text, 'late');
  },
  'a guard refuses with its status': (server) => early(server, '/guarded', 403),
  'a pipe refuses with its status': (server) => early(server, '/piped/x', 400),
  'a pipe lets pass': async (server) => {
    const client = await open(server, '/piped/1');
    equal(client.status, 200, 'status');
    client.close();
  },
  'no such route is 404': (server) => early(server, '/nowhere', 404),
  'POST is answered with 200': async (server) => {
    const client = await open(server, '/post', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
    equal(client.status, 200, 'status');
    await server.bus.publish('news', { data: 'posted' });
    await client.until('data: posted');
    client.close();
  },
  'HEAD has a head and no body': async (server) => {
    const { status, headers, text } = await answer(server, '/stream', { method: 'HEAD' });
    equal([status, text], [200, ''], 'status and body');
    includes(headers['content-type'], 'text/event-stream');
    equal(server.connections.count, 0, 'connections');
  },
  'HEAD of a handler that throws has its status': (server) =>
    early(server, '/throws', 409, { method: 'HEAD' }),
  'one connection too many is told to come back': async () => {
    const server = await start({ maxConnections: 1 });
    try {
      const first = await open(server, '/stream');
      const second = await answer(server, '/stream');
      equal(second.status, 200, 'status');
      includes(second.text, 'retry: ');
      equal(server.connections.ended.refused, 1, 'refused');
      first.close();
    } finally {
      await server.app.close();
    }
  },
  'a late error is an exception event without its message': async (server) => {
    const { status, text } = await answer(server, '/fails');
    equal(status, 200, 'status');
    includes(text, 'data: first');
    includes(text, 'event: exception');
    if (text.includes('secret') || text.includes('event: error')) throw new Error(text);
  },
  'a late HttpException tells its message': async (server) => {
    const { text } = await answer(server, '/fails-kindly');
    includes(text, 'event: exception');
    includes(text, 'members only');
  },
  "a route's interceptor sees the events": async (server) => {
    includes((await answer(server, '/shouted')).text, 'data: hello!');
  },
  'a global interceptor sees the events': async (server) => {
    seen.length = 0;
    await answer(server, '/shouted');
    includes(JSON.stringify(seen), 'hello');
  },
  'an interceptor may answer by itself': async (server) => {
    const { status, text } = await answer(server, '/cached');
    equal(status, 200, 'status');
    includes(text, 'data: cached');
  },
  'an interceptor may turn an error into an end': async (server) => {
    const { status, headers } = await answer(server, '/forgiven');
    equal(status, 200, 'status');
    includes(headers['content-type'], 'text/event-stream');
  },
  'headers of decorators, and of interceptors, arrive': async (server) => {
    const { headers } = await answer(server, '/headed');
    equal([headers['x-own'], headers['x-late']], ['yes', 'set'], 'headers');
  },
  'a silent stream opens after openTimeout': async (server) => {
    const client = await open(server, '/silent');
    equal(client.status, 200, 'status');
    client.close();
  },
  'other routes are as they were': async (server) => {
    const { status, text } = await answer(server, '/plain');
    equal([status, text], [200, '{"plain":true}']);
  },
  'a client that leaves is seen to leave': async (server) => {
    const before = server.connections.ended.client;
    const client = await open(server, '/stream');
    await client.until('retry: ');
    client.close();
    await waitFor(() => server.connections.count === 0);
    if (server.connections.ended.client <= before) throw new Error('not counted as client');
  },
  'SseConnections.close() ends streams': async (server) => {
    const client = await open(server, '/stream');
    await client.until('retry: ');
    server.connections.close();
    equal(await client.ended, 'end');
  },
  'shutdown ends open streams, cleanly and soon': async () => {
    const server = await start();
    const clients = await Promise.all(
      ['/stream', '/mapped', '/later', '/silent'].map((path) => open(server, path)),
    );
    await clients[0].until('retry: ');
    void server.bus.publish('news', { data: 'goodbye' });
    const started = performance.now();
    await server.app.close();
    if (performance.now() - started > 4_000) throw new Error('it took more than 4 s');
    equal(await Promise.all(clients.map(({ ended }) => ended)), ['end', 'end', 'end', 'end']);
    for (const { text } of clients.slice(0, 3)) includes(text, 'goodbye');
  },
};

async function early(server, path, status, options) {
  const client = await answer(server, path, options);
  equal(client.status, status, 'status');
  if (client.headers['content-type']?.includes('event-stream')) throw new Error('it is a stream');
  return client;
}

async function waitFor(condition) {
  for (let i = 0; !condition(); i++) {
    if (i > 400) throw new Error('waited for 4 s');
    await sleep(10);
  }
}

const shared = await start();
for (const [title, check] of Object.entries(checks)) {
  let error;
  try {
    await Promise.race([
      Promise.resolve(shared).then(check),
      sleep(10_000, undefined, { ref: false }).then(() => {
        throw new Error('it took 10 s');
      }),
    ]);
    shared.connections.close();
    await waitFor(() => shared.connections.count === 0);
  } catch (failure) {
    error = failure.message;
  }
  if (error === undefined && unexpected.length > 0) error = `unhandled: ${unexpected[0]}`;
  unexpected.length = 0;
  console.log(JSON.stringify({ title, error }));
}
await shared.app.close();
process.exit();
