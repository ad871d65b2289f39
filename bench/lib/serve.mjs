import { monitorEventLoopDelay } from 'node:perf_hooks';
import { answerCalls, clock } from './ipc.mjs';
import { makeEvent } from './event.mjs';

/**
 * What a server under test gives the benchmark.
 *
 * @typedef {object} Server
 * @property {number} port
 * @property {(topic: string, event: { n: number, text: string }) => unknown} publish
 * @property {() => number} [cpu] milliseconds of CPU used, of this process unless given
 * @property {() => unknown} [memory] bytes, of this process unless given
 * @property {() => unknown} [stop]
 * @property {(topics: string[], event: object) => unknown} [publishToMany]
 * @property {(isOn: boolean) => unknown} [toggle] what is compared with its being off, in one process
 * @property {() => string} [cursor] the place in the log, where there is one
 */

/**
 * Runs a server under test: the same driver for all of them publishes from within the server's process.
 *
 * @param {(args: any) => Promise<Server>} start
 */
export function serve(start) {
  /** @type {Server} */
  let server;
  const published = new Map();
  const publish = (topic, size) => {
    const n = published.get(topic) ?? 0;
    published.set(topic, n + 1);
    return server.publish(topic, makeEvent(n, size));
  };

  answerCalls({
    async start(args) {
      server = await start(args);
      return { port: server.port };
    },
    exit: () => server?.stop?.(),
    cpu: () => server.cpu?.() ?? ownCpu(),
    memory: () => server.memory?.() ?? measureMemory(),
    cursor: () => server.cursor?.(),
    toggle: ({ isOn }) => server.toggle?.(isOn),

    /** Publishes `count` events to each of the topics, all of them in this turn of the event loop. */
    tick({ topics, count, size }) {
      for (const topic of topics) for (let i = 0; i < count; i++) publish(topic, size);
    },

    /** One event to each of the topics, each in a turn of its own. */
    async sweep({ topics }) {
      for (const topic of topics) {
        publish(topic);
        await new Promise((resolve) => setImmediate(resolve));
      }
    },

    /** Publishes at a steady rate; answers with the times at which each event was due. */
    rate: ({ topic, perSecond, count }) => publishAtRate(() => publish(topic), perSecond, count),

    fill({ groups }) {
      for (const { n, topics } of groups) server.publishToMany?.(topics, makeEvent(n));
    },

    watchLoop() {
      loopDelay.reset();
      loopDelay.enable();
    },
    /** Milliseconds of the longest block of the event loop since `watchLoop`. */
    longestBlock() {
      loopDelay.disable();
      return loopDelay.max / 1e6;
    },
  });
}

const loopDelay = monitorEventLoopDelay({ resolution: 1 });

function ownCpu() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

function measureMemory() {
  for (let i = 0; i < 3; i++) globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heap: heapUsed + external };
}

/** What is due is published at once, however late: like messages that came in while the loop was blocked. */
function publishAtRate(publish, perSecond, count) {
  const start = clock() + 20;
  const times = Array.from({ length: count }, (_, i) => start + (i * 1_000) / perSecond);
  return new Promise((resolve) => {
    let next = 0;
    const step = () => {
      while (next < count && times[next] <= clock()) {
        publish();
        next++;
      }
      if (next === count) resolve(times);
      else setTimeout(step, Math.max(1, times[next] - clock()));
    };
    step();
  });
}
