// What an application relies on, over real sockets, on the adapter that the first argument names. Plain
// JavaScript, so that every version of Nest and Node runs the same program. Prints one line of JSON.
import 'reflect-metadata';
import { once } from 'node:events';
import { request } from 'node:http';
import {
  Controller,
  HttpException,
  Inject,
  Module,
  NotFoundException,
  RequestMethod,
  Sse,
  UseGuards,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventBus, SseModule } from 'nestjs-event-stream';

const adapter = process.argv[2];
/** Milliseconds that one check may take. */
const BOUND = 10_000;

class Locked {
  canActivate() {
    throw new HttpException('No', 401);
  }
}

class Streams {
  constructor(bus) {
    this.bus = bus;
  }
  news() {
    return this.bus.stream('news');
  }
  ask() {
    return this.bus.stream('news');
  }
  locked() {
    return this.bus.stream('news');
  }
  async missing() {
    await new Promise((resolve) => setTimeout(resolve, 50));
    throw new NotFoundException();
  }
}
decorate(Controller(), Streams);
Inject(EventBus)(Streams, undefined, 0);
route('news', Sse('news'));
route('ask', Sse('ask', { method: RequestMethod.POST }));
route('locked', Sse('locked'), UseGuards(Locked));
route('missing', Sse('missing'));

class Root {}
decorate(
  Module({
    imports: [SseModule.forRoot({ history: { maxEvents: 5 }, maxConnections: 3 })],
    controllers: [Streams],
  }),
  Root,
);

const checks = {
  stream: async ({ bus, open }) => {
    const client = await open('/news');
    await bus.publish('news', { type: 'greeting', data: { text: 'Hello' } });
    await client.until('event: greeting\ndata: {"text":"Hello"}');
    return client.status === 200 && /^text\/event-stream/.test(client.headers['content-type']);
  },
  resume: async ({ bus, open }) => {
    const cursor = await bus.publish('news', { data: 'before' });
    await bus.publish('news', { data: 'missed' });
    const client = await open('/news', { headers: { 'last-event-id': cursor } });
    await client.until('data: missed');
    return !client.text.includes('data: before');
  },
  gap: async ({ bus, open }) => {
    const cursor = await bus.publish('news', { data: 'first' });
    for (let count = 0; count < 50; count++) await bus.publish('news', { data: 'more' });
    await new Promise(setImmediate);
    const client = await open('/news', { headers: { 'last-event-id': cursor } });
    await client.until('"reason":"trimmed"');
    return true;
  },
  'early error 404': async ({ open }) => (await open('/missing')).status === 404,
  'guard 401': async ({ open }) => (await open('/locked')).status === 401,
  'POST 200': async ({ open }) => (await open('/ask', { method: 'POST' })).status === 200,
  'HEAD 200': async ({ open }) => {
    const client = await open('/news', { method: 'HEAD' });
    await client.ended;
    return client.status === 200 && client.text === '';
  },
  refusal: async ({ open }) => {
    for (let count = 0; count < 3; count++) await open('/news');
    const client = await open('/news');
    await client.ended;
    return client.status === 200 && /^retry: \d{4,}/m.test(client.text);
  },
  shutdown: async ({ app, open }) => {
    const client = await open('/news');
    await app.close();
    await client.ended;
    return true;
  },
};

const results = {};
for (const [name, check] of Object.entries(checks)) results[name] = await run(check);
console.log(JSON.stringify(results));
process.exit();

/** 'ok', or what went wrong. */
async function run(check) {
  const clients = [];
  let app;
  try {
    app = await NestFactory.create(Root, await newAdapter(), {
      logger: false,
      abortOnError: false,
    });
    await app.listen(0, '127.0.0.1');
    const { port } = app.getHttpServer().address();
    const open = (path, options) => connect(port, path, options, clients);
    const isRight = await within(check({ app, bus: app.get(EventBus), open }));
    return isRight ? 'ok' : 'wrong answer';
  } catch (error) {
    return String(error?.message ?? error).split('\n')[0];
  } finally {
    for (const client of clients) client.destroy();
    await within(app?.close()).catch(() => {});
  }
}

async function newAdapter() {
  if (adapter === 'express') {
    const { ExpressAdapter } = await import('@nestjs/platform-express');
    return new ExpressAdapter();
  }
  const { FastifyAdapter } = await import('@nestjs/platform-fastify');
  return new FastifyAdapter();
}

async function connect(port, path, options, clients) {
  const sent = request({ host: '127.0.0.1', port, path, agent: false, ...options }).end();
  clients.push(sent);
  const [response] = await once(sent, 'response');
  const client = { status: response.statusCode, headers: response.headers, text: '' };
  client.ended = once(response, 'end');
  client.ended.catch(() => {});
  response.setEncoding('utf8').on('error', () => {});
  response.on('data', (text) => (client.text += text));
  client.until = async (text) => {
    while (!client.text.includes(text)) await Promise.race([once(response, 'data'), ended(client)]);
  };
  return client;
}

async function ended(client) {
  await client.ended;
  throw new Error(`the stream ended: ${client.text}`);
}

function within(work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${BOUND} ms`)), BOUND);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

function decorate(decorator, target) {
  decorator(target);
}

function route(name, ...decorators) {
  const descriptor = Object.getOwnPropertyDescriptor(Streams.prototype, name);
  for (const decorator of decorators) decorator(Streams.prototype, name, descriptor);
}
