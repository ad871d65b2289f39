// A rolling restart of two instances on one Redis: how many clients come back in each second when an instance ends its
// streams at once, and when it does so over some time. Counts too what was lost or repeated. After `npm run build`:
//
//   node bench/drain/run.mjs [--clients 5000] [--over 30,40]
//
// `--over` in seconds. It takes about twice the sum of them. Needs redis-server on the PATH, and three open files for a client
// (`ulimit -n`). Writes plots/drain.svg.
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as elapse } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createPublisher } from '../../dist/publisher/index.js';
import { redisBackplane } from '../../dist/redis/index.js';
import { plot } from '../report/plot.mjs';
import { Client } from './client.mjs';

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '5000' },
    over: { type: 'string', default: '30,40' },
  },
});
const CLIENTS = Number(values.clients);
const OVERS = [0, ...values.over.split(',').map(Number)];
const INSTANCE = fileURLToPath(new URL('instance.mjs', import.meta.url));
/** Milliseconds between two events, and from the begin of a drain until nobody is sent to that instance any more. */
const PACE = 500;
const PROBE = 900;
/** Milliseconds in which the last clients come back. */
const SETTLE = 6_000;

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function startInstance(url, over) {
  const child = fork(INSTANCE, [url, String(over * 1_000)]);
  const [port] = await once(child, 'message');
  return { child, port };
}

async function openAll(pick, onReconnect) {
  const clients = [];
  while (clients.length < CLIENTS) {
    const some = Array.from(
      { length: Math.min(100, CLIENTS - clients.length) },
      () => new Client(pick, onReconnect),
    );
    clients.push(...some);
    while (!some.every(({ isOpen }) => isOpen)) await elapse(5);
  }
  return clients;
}

/** Replaces both, one after the other. */
async function restart(ready, start) {
  for (const old of [...ready]) {
    ready.push(await start());
    old.child.kill('SIGTERM');
    const exit = once(old.child, 'exit');
    await elapse(PROBE);
    ready.splice(ready.indexOf(old), 1);
    await exit;
    await elapse(SETTLE);
  }
}

/** @returns how many came back in each second, and what was lost or repeated */
async function measure(url, over) {
  const start = () => startInstance(url, over);
  const ready = [await start(), await start()];
  const pick = () => ready[Math.floor(Math.random() * ready.length)].port;
  let begin = Infinity;
  const perSecond = [];
  const clients = await openAll(pick, () => {
    const second = Math.floor((performance.now() - begin) / 1_000);
    perSecond[second] = (perSecond[second] ?? 0) + 1;
  });
  const publisher = createPublisher(redisBackplane({ url }));
  let published = 0;
  const publishing = setInterval(() => void publisher.publish('news', { data: ++published }), PACE);
  begin = performance.now();
  await restart(ready, start);
  clearInterval(publishing);
  const end = performance.now() + 60_000;
  const isDone = () => clients.every(({ last }) => last === published);
  while (!isDone() && performance.now() < end) await elapse(50);
  const lost = clients.reduce((sum, { events }) => sum + published - events, 0);
  const faults = clients.reduce((sum, client) => sum + client.faults, 0);
  for (const client of clients) client.stop();
  await publisher.close();
  for (const { child } of ready) child.kill('SIGKILL');
  return { perSecond: Array.from(perSecond, (count) => count ?? 0), published, lost, faults };
}

const port = await freePort();
const redis = spawn('redis-server', ['--port', `${port}`, '--bind', '127.0.0.1', '--save', ''], {
  stdio: 'ignore',
});
const results = [];
try {
  for (const [index, over] of OVERS.entries()) {
    const result = await measure(`redis://127.0.0.1:${port}/${index}`, over);
    results.push({ over, peak: Math.max(...result.perSecond), ...result });
    const { peak, perSecond, published, lost, faults } = results.at(-1);
    const reconnects = perSecond.reduce((sum, count) => sum + count, 0);
    console.log(
      `${over === 0 ? 'at once' : `over ${over} s`}: peak ${peak}/s (${(peak / results[0].peak).toFixed(3)} of at once), ` +
        `${reconnects} reconnects of ${CLIENTS} clients in ${perSecond.length} s; ` +
        `${published} events, lost ${lost}, gaps, repeats and holes ${faults}`,
    );
  }
} finally {
  redis.kill();
}
const seconds = Math.max(...results.map(({ perSecond }) => perSecond.length));
const plots = new URL('../plots/', import.meta.url);
mkdirSync(plots, { recursive: true });
writeFileSync(
  new URL('drain.svg', plots),
  plot({
    title: `A rolling restart of two instances, ${CLIENTS.toLocaleString('en')} clients`,
    x: {
      label: 'seconds',
      isLinear: true,
      ticks: Array.from({ length: Math.ceil(seconds / 10) + 1 }, (_, n) => ({
        value: n * 10,
        label: `${n * 10}`,
      })),
    },
    y: { label: 'clients that come back in a second' },
    series: results.map(({ over, perSecond }) => ({
      label: over === 0 ? 'at once' : `over: ${over} s`,
      points: Array.from({ length: seconds }, (_, x) => ({ x, y: perSecond[x] ?? 0 })),
    })),
  }),
);
process.exit(results.some(({ lost, faults }) => lost !== 0 || faults !== 0) ? 1 : 0);
