import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { build } from './build.js';
import type { Order, Report } from './slow-clients.server.js';

const CLIENTS = 1_000;
const EVENTS = 10_000;
const MAX_GROWTH = 100 * 1024 * 1024;

describe('1,000 clients that do not read, while 10,000 events of 1 KiB are published', () => {
  let folder: string;
  let server: ChildProcess;
  let port: number;

  beforeAll(async () => {
    folder = mkdtempSync(join(process.cwd(), 'test', '.built-'));
    const main = 'test/model/slow-clients.server.ts';
    build(['src', main], folder);
    server = fork(join(folder, main.replace(/ts$/, 'js')), { execArgv: ['--expose-gc'] });
    ({ port = 0 } = await answer());
  });

  afterAll(async () => {
    if (server.connected) {
      server.disconnect();
      await once(server, 'exit');
    }
    rmSync(folder, { recursive: true, force: true });
  });

  async function answer(): Promise<Report> {
    const [report] = (await once(server, 'message')) as [Report];
    return report;
  }

  async function ask(order: Order): Promise<Report> {
    server.send(order);
    return answer();
  }

  it('cost little memory, slow nobody, and get everything since a gap when they read again', async () => {
    const slow = await Promise.all(Array.from({ length: CLIENTS }, () => Follower.open(port)));
    const reading = await Follower.open(port);
    reading.read();
    const before = await ask({ measure: true });

    await ask({ publish: EVENTS });
    await reading.reaches(EVENTS);
    expect(reading.gaps).toBe(0);

    const after = await ask({ measure: true });
    expect(after.behind).toBe(CLIENTS);
    expect((after.used ?? Infinity) - (before.used ?? 0)).toBeLessThan(MAX_GROWTH);

    const resuming = slow.filter((_, index) => index % 25 === 0);
    await Promise.all(resuming.map((follower) => follower.readsUpTo(EVENTS)));
    expect(resuming.every(({ gaps }) => gaps > 0)).toBe(true);
    for (const follower of [reading, ...slow]) follower.close();
  }, 60_000);
});

/** A client that checks what it reads by its ids: in order, and without a hole but for gaps. */
class Follower {
  gaps = 0;
  readonly #socket: Socket;
  #offset = 0;
  #rest = '';
  #error: Error | undefined;
  #target = Infinity;
  #onTarget = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Connects, and reads nothing but the head of the response and its first frame. */
  static async open(port: number): Promise<Follower> {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.write('GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(socket, 'readable');
    return new Follower(socket);
  }

  read(): void {
    this.#socket.setEncoding('latin1').on('data', (text: string) => this.#take(text));
  }

  reaches(offset: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#target = offset;
      this.#onTarget = () => (this.#error === undefined ? resolve() : reject(this.#error));
      this.#take('');
    });
  }

  async readsUpTo(offset: number): Promise<void> {
    this.read();
    await this.reaches(offset);
    this.close();
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Ids are looked for in the raw bytes: with the framing of chunks between them, they are still lines. */
  #take(text: string): void {
    const frames = (this.#rest + text).split('\n\n');
    this.#rest = frames.pop() ?? '';
    for (const frame of frames) this.#takeFrame(frame);
    if (this.#offset >= this.#target || this.#error !== undefined) this.#onTarget();
  }

  #takeFrame(frame: string): void {
    const id = /^id: \w+\.(\d+)$/m.exec(frame)?.[1];
    if (id === undefined || this.#error !== undefined) return;
    const isGap = /^event: gap$/m.test(frame);
    if (isGap) this.gaps++;
    const offset = Number(id);
    const isNext = isGap ? offset > this.#offset : offset === this.#offset + 1;
    const isFirst = offset === 0 && this.#offset === 0;
    if (!isNext && !isFirst) this.#error = new Error(`${this.#offset} was followed by ${offset}`);
    this.#offset = offset;
  }
}
