import { afterEach, describe } from '@jest/globals';
import type { IncomingHttpHeaders } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import type {
  DynamicModule,
  INestApplication,
  ModuleMetadata,
  NestApplicationOptions,
  Type,
} from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test, type TestingModuleBuilder } from '@nestjs/testing';
import { SseModule, type SseModuleOptions } from 'nestjs-event-stream';
import {
  connectSse,
  type ConnectSseOptions,
  type ReceivedEvent,
} from 'nestjs-event-stream/testing';
import { LogLines } from './log-lines.js';

/** What a suite needs of a client, whatever the version of HTTP. */
export interface Client {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly lastEventId: string;
  readonly retry: number | undefined;
  readonly comments: number;
  readonly text: string;
  readonly closed: Promise<void>;
  next(type?: string): Promise<ReceivedEvent>;
  take(count: number): Promise<ReceivedEvent[]>;
  pause(): void;
  resume(): void;
  close(): void;
}

interface Setup extends ModuleMetadata {
  /** Options of `SseModule`; `false` for an application without it. */
  readonly sse?: SseModuleOptions | DynamicModule | false;
  /** Before the module is compiled. */
  readonly override?: (builder: TestingModuleBuilder) => TestingModuleBuilder;
  readonly options?: NestApplicationOptions;
  /** Before the application listens. */
  readonly configure?: (app: INestApplication) => unknown;
}

/** Starts applications on one adapter, connects clients to them, and ends them all. */
export class Bench {
  readonly #running: INestApplication[] = [];
  readonly #clients: Client[] = [];
  /** What the applications of the test logged. */
  logs = new LogLines();

  constructor(
    readonly adapter: () => AbstractHttpAdapter,
    readonly isHttp2 = false,
  ) {}

  async start(setup: Setup | Type): Promise<INestApplication> {
    const app = await this.create(setup);
    await app.listen(0, '127.0.0.1');
    return app;
  }

  /** Makes an application that does not listen yet. */
  async create(setup: Setup | Type): Promise<INestApplication> {
    const given: Setup = typeof setup === 'function' ? { controllers: [setup] } : setup;
    const { sse = {}, override = (same) => same, options, configure, ...metadata } = given;
    const own = sse === false ? [] : [isModule(sse) ? sse : SseModule.forRoot(sse)];
    const imports = [...own, ...(metadata.imports ?? [])];
    const builder = override(Test.createTestingModule({ ...metadata, imports }));
    const module = await builder.setLogger(this.logs).compile();
    const app = module.createNestApplication(this.adapter(), options);
    this.#running.push(app);
    configure?.(app);
    return app;
  }

  async connect(app: INestApplication, path: string, options?: ConnectSseOptions): Promise<Client> {
    const client = await connectSse(app, path, options);
    this.#clients.push(client);
    return client;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients.splice(0)) client.close();
    await Promise.all(this.#running.splice(0).map((app) => app.close()));
    this.logs = new LogLines();
  }
}

export function urlOf(app: INestApplication): string {
  const server = app.getHttpServer() as Server;
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A bench on Express whose applications and clients end with each test. */
export function onExpress(): Bench {
  const bench = new Bench(() => new ExpressAdapter());
  afterEach(() => bench.stop());
  return bench;
}

/** Runs a suite against Express and Fastify over HTTP/1.1, and against Fastify over HTTP/2. */
export function eachAdapter(suite: (bench: Bench) => void): void {
  const benches: [string, Bench][] = [
    ['Express', new Bench(() => new ExpressAdapter())],
    ['Fastify', new Bench(() => new FastifyAdapter())],
    ['Fastify over HTTP/2', new Bench(() => new FastifyAdapter({ http2: true }), true)],
  ];
  describe.each(benches)('on %s', (_, bench) => {
    afterEach(() => bench.stop());
    suite(bench);
  });
}

function isModule(sse: SseModuleOptions | DynamicModule): sse is DynamicModule {
  return 'module' in sse;
}
