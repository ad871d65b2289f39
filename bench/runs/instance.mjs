// One instance, in a process of its own: runs of this package, or streams of `resumable-stream` as its README has them.
// Clocks: hrtime is the same for all processes of a machine. A token begins with when it was yielded.
import 'reflect-metadata';
import { setImmediate as nextTurn, setTimeout as elapse } from 'node:timers/promises';
import { NestFactory } from '@nestjs/core';
import { Redis } from 'ioredis';
import { EventBus, SseModule } from '../../dist/index.js';
import { redisBackplane } from '../../dist/redis/index.js';
import { SseRuns, SseRunsModule } from '../../dist/runs/index.js';

const [kind, url, tail] = process.argv.slice(2);
const BATCH = 100;
const now = () => process.hrtime.bigint();
const middle = (values) => values.sort((a, b) => a - b)[values.length >> 1];
const PADDING = 'x'.repeat(24);
const token = () => `${now()} ${PADDING}\n`;

function joinTokens(a, b) {
  return a.type === b.type ? { ...a, data: a.data + b.data } : undefined;
}

async function* paced({ tokens, interval }) {
  await elapse(500 + Math.random() * interval);
  const start = performance.now();
  for (let index = 0; index < tokens; index++) {
    yield token();
    await elapse(Math.max(0, start + (index + 1) * interval - performance.now()));
  }
}

/** Tokens of the first second are those of a process that has just begun. */
const WARM_UP = 1_000_000_000n;

/** Takes down how long tokens were on their way, and how many came. */
class Arrivals {
  #begin;
  #count = 0;
  #taken = [];

  take(text) {
    const at = now();
    for (const line of text.split('\n')) {
      if (line === '') continue;
      const sent = BigInt(line.slice(0, line.indexOf(' ')));
      this.#begin ??= sent;
      this.#count++;
      if (sent - this.#begin > WARM_UP) this.#taken.push(Number(at - sent) / 1e6);
    }
  }

  get result() {
    return { taken: this.#taken.sort((a, b) => a - b), count: this.#count };
  }
}

async function startRuns() {
  // A run is kept beyond the tail, as these topics are.
  const topics = [{ match: 'kept', keepFor: 60_000 }];
  const history = { topics, maxEvents: tail === undefined ? undefined : Number(tail) };
  const backplane = url === '' ? undefined : redisBackplane({ url });
  const app = await NestFactory.createApplicationContext(
    {
      module: class Root {},
      imports: [SseModule.forRoot({ backplane, history }), SseRunsModule.forRoot()],
    },
    { logger: ['error'] },
  );
  const [runs, bus] = [app.get(SseRuns), app.get(EventBus)];
  const toEnd = (id, options, next = () => {}) =>
    new Promise((resolve, reject) =>
      runs.stream(id, options).subscribe({ next, complete: resolve, error: reject }),
    );

  async function timed(work) {
    const start = performance.now();
    await work();
    return performance.now() - start;
  }

  async function cpuOf(work) {
    const before = process.cpuUsage();
    const count = await work();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / count;
  }

  async function publishFor(milliseconds, topic) {
    let count = 0;
    const subscription = bus.stream(topic).subscribe(() => count++);
    const end = performance.now() + milliseconds;
    while (performance.now() < end) {
      await Promise.all(Array.from({ length: BATCH }, () => bus.publish(topic, { data: token() })));
      await nextTurn();
    }
    subscription.unsubscribe();
    return count;
  }

  let number = 0;
  async function emitFor(milliseconds) {
    let count = 0;
    const id = `emitted.${number++}`;
    const end = performance.now() + milliseconds;
    const source = async ({ emit }) => {
      while (performance.now() < end)
        await Promise.all(Array.from({ length: BATCH }, () => emit(token())));
    };
    await runs.start(id, source, { keepFor: 1, maxBytes: 2 ** 30 });
    await toEnd(id, {}, () => count++);
    return count;
  }

  return {
    async cpu({ milliseconds }) {
      await publishFor(300, 'kept');
      await publishFor(300, 'publishes');
      await emitFor(300);
      const [publish, kept, token] = [[], [], []];
      // In turns, so that what else the machine does hits both.
      for (let turn = 0; turn < 5; turn++) {
        publish.push(await cpuOf(() => publishFor(milliseconds / 5, 'publishes')));
        kept.push(await cpuOf(() => publishFor(milliseconds / 5, 'kept')));
        token.push(await cpuOf(() => emitFor(milliseconds / 5)));
      }
      return { publish: middle(publish), kept: middle(kept), token: middle(token) };
    },
    async join({ tokens }) {
      const taken = [];
      for (let run = 0; run < 5; run++) {
        const source = async ({ emit }) => {
          for (let index = 0; index < tokens / BATCH; index++)
            await Promise.all(Array.from({ length: BATCH }, () => emit(token())));
        };
        await runs.start(`joined.${run}`, source);
        while (runs.get(`joined.${run}`).status === 'live') await elapse(5);
        const join = () => timed(() => toEnd(`joined.${run}`, { merge: joinTokens }));
        taken.push([await join(), await join(), await join()]);
      }
      return {
        first: taken[0][0],
        firstOfRun: middle(taken.slice(1).map(([first]) => first)),
        later: middle(taken.flatMap(([, ...rest]) => rest)),
      };
    },
    async start({ ids, ...order }) {
      await Promise.all(ids.map((id) => runs.start(id, () => paced(order))));
    },
    async read({ ids }) {
      const arrivals = new Arrivals();
      const next = ({ type, data }) => type === undefined && arrivals.take(data);
      await Promise.all(ids.map((id) => toEnd(id, { unknown: 'wait' }, next)));
      return arrivals.result;
    },
    async startLive({ id, tokens }) {
      const emitted = new Promise((resolve) => {
        void runs.start(id, async ({ emit, signal }) => {
          for (let index = 0; index < tokens / BATCH; index++)
            await Promise.all(Array.from({ length: BATCH }, () => emit(token())));
          resolve();
          await new Promise((stopped) => signal.addEventListener('abort', stopped));
        });
      });
      await emitted;
      await elapse(200);
    },
    joinLive: ({ id, tokens }) =>
      timed(
        () =>
          new Promise((resolve) => {
            let count = 0;
            const subscription = runs.stream(id, { merge: joinTokens }).subscribe(({ data }) => {
              count += data.split('\n').length - 1;
              if (count < tokens) return;
              resolve();
              queueMicrotask(() => subscription.unsubscribe());
            });
          }),
      ),
    close: () => app.close(),
  };
}

async function startResumable() {
  const { createResumableStreamContext } = await import('resumable-stream/ioredis');
  const [publisher, subscriber] = [new Redis(url), new Redis(url)];
  const context = createResumableStreamContext({ waitUntil: null, publisher, subscriber });
  const drain = async (stream, next) => {
    for await (const chunk of stream) if (next?.(chunk) === true) return;
  };
  const resume = async (id) => {
    for (;;) {
      const stream = await context.resumeExistingStream(id);
      if (stream) return stream;
      await elapse(5);
    }
  };
  return {
    async start({ ids, ...order }) {
      for (const id of ids) {
        const stream = await context.createNewResumableStream(id, () =>
          ReadableStream.from(paced(order)),
        );
        void drain(stream);
      }
    },
    async read({ ids }) {
      const arrivals = new Arrivals();
      await Promise.all(
        ids.map(async (id) => drain(await resume(id), (chunk) => arrivals.take(chunk))),
      );
      return arrivals.result;
    },
    async startLive({ id, tokens }) {
      let isRead = () => {};
      const read = new Promise((resolve) => (isRead = resolve));
      const source = async function* () {
        for (let index = 0; index < tokens; index++) yield token();
        isRead();
        await new Promise(() => {});
      };
      void drain(await context.createNewResumableStream(id, () => ReadableStream.from(source())));
      await read;
      await elapse(200);
    },
    async joinLive({ id, tokens }) {
      const start = performance.now();
      let count = 0;
      await drain(await resume(id), (chunk) => (count += chunk.split('\n').length - 1) >= tokens);
      return performance.now() - start;
    },
    async close() {
      publisher.disconnect();
      subscriber.disconnect();
    },
  };
}

const { close, ...commands } = await (kind === 'runs' ? startRuns() : startResumable());
process.on('message', async ({ id, name, argument }) => {
  if (name === 'usage') {
    const { user, system } = process.cpuUsage();
    process.send({ id, result: user + system });
  } else if (name === 'stop') {
    process.send({ id });
    await Promise.race([close(), elapse(3_000)]);
    process.exit();
  } else process.send({ id, result: await commands[name](argument) });
});
process.send({ id: 0 });
