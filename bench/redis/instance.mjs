// One instance, in a process of its own: it publishes at a rate or as fast as it can, and takes the time
// of everything that arrives. Clocks: hrtime is the same for all processes of a machine.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { Redis } from 'ioredis';
import { EventBus, LogSink, SseModule } from '../../dist/index.js';
import { redisBackplane } from '../../dist/redis/index.js';

const [kind, url] = process.argv.slice(2);
const PADDING = 'x'.repeat(200);
const now = () => process.hrtime.bigint();
let latencies = [];
let received = 0;

function take(text) {
  received++;
  const sent = BigInt(text.slice(0, text.indexOf(' ')));
  latencies.push(Number(now() - sent) / 1e6);
}

/** This package: a Nest application whose bus is subscribed to. */
async function startStream() {
  const app = await NestFactory.createApplicationContext(
    { module: class Root {}, imports: [SseModule.forRoot({ backplane: redisBackplane({ url }) })] },
    { logger: false },
  );
  const bus = app.get(EventBus);
  bus.stream('bench').subscribe(({ type, data }) => {
    // An instance that gets less of the processor than it needs falls behind what Redis keeps.
    if (type === 'gap') console.error('gap', data);
    else take(data);
  });
  return { publish: (data) => bus.publish('bench', { data }), stop: () => app.close() };
}

/** Plain PUB/SUB as the ioredis README has it; auto-pipelining, because that is faster here. */
async function startPubSub() {
  const publisher = new Redis(url, { enableAutoPipelining: true });
  const subscriber = new Redis(url);
  await subscriber.subscribe('bench');
  subscriber.on('message', (_, message) => take(message));
  return {
    publish: (data) => publisher.publish('bench', data),
    stop: async () => {
      await publisher.quit();
      await subscriber.quit();
    },
  };
}

const { publish, stop } = await (kind === 'stream' ? startStream() : startPubSub());
const publishOne = () => publish(`${now()} ${PADDING}`);

async function atRate(rate, milliseconds) {
  const started = performance.now();
  const count = (rate * milliseconds) / 1_000;
  const pending = [];
  for (let sent = 0; sent < count;) {
    const due = Math.min(count, ((performance.now() - started) * rate) / 1_000);
    for (; sent < due; sent++) pending.push(publishOne());
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(pending);
  return count;
}

async function asFastAsPossible(milliseconds, inFlight) {
  const end = performance.now() + milliseconds;
  let count = 0;
  const worker = async () => {
    while (performance.now() < end) {
      await publishOne();
      count++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return count;
}

/** A log that forgets everything: what is measured is Redis. */
class NoLog extends LogSink {
  epoch = '';
  head = 0;

  reset(epoch, offset) {
    this.epoch = epoch;
    this.head = offset;
  }

  append(offset) {
    this.head = offset;
  }

  lose(offset) {
    this.head = offset;
  }
}

const tails = [];

const commands = {
  /** Further instances, as far as Redis is concerned. */
  async tail({ count }) {
    while (tails.length < count) {
      const tail = redisBackplane({ url });
      tails.push(tail);
      await tail.open(new NoLog(), { maxEvents: 1_000, maxBytes: 1e6, maxAge: false });
    }
  },
  reset() {
    latencies = [];
    received = 0;
    return process.cpuUsage();
  },
  atRate: ({ rate, milliseconds }) => atRate(rate, milliseconds),
  asFastAsPossible: ({ milliseconds, inFlight }) => asFastAsPossible(milliseconds, inFlight),
  read() {
    const { user, system } = process.cpuUsage();
    return { received, latencies, cpu: user + system, at: performance.now() };
  },
  async stop() {
    await Promise.all(tails.map((tail) => tail.close()));
    await stop();
    setImmediate(() => process.disconnect());
  },
};

process.on('message', async ({ id, name, argument }) => {
  process.send({ id, result: await commands[name](argument) });
});
process.send({ id: 0 });
