import { environment } from './report/environment.mjs';
import { plainRouteTable, replayTable } from './report/own.mjs';
import { writePlots } from './report/plots.mjs';
import { writeResults } from './report/results.mjs';
import { overview } from './report/table.mjs';
import { fanOut } from './scenarios/fan-out.mjs';
import { latency } from './scenarios/latency.mjs';
import { memory } from './scenarios/memory.mjs';
import { plainRoute } from './scenarios/plain-route.mjs';
import { profile } from './scenarios/profile.mjs';
import { replay } from './scenarios/replay.mjs';
import { stalled } from './scenarios/stalled.mjs';
import { topics } from './scenarios/topics.mjs';
import { SERVERS, serversOf } from './servers/index.mjs';

const fanOutMetrics = (clients, results) =>
  Object.entries(results).map(([burst, values]) => ({
    title: `${clients} clients, ${burst === '1' ? 'one event' : `${burst} events`} per tick`,
    unit: 'µs CPU per delivery',
    values,
  }));

/** Under two minutes: what an event costs. */
export async function runQuick() {
  const [floor, ours, nest] = serversOf('floor', 'ours', 'nest');
  const mapped = { key: 'ours-mapped', label: `${ours.label}, behind map()` };
  const servers = [floor, ours, mapped, nest];
  const size = { clients: 1_000, rounds: 7, ticks: 25, bursts: [1, 10], warmUp: 60 };
  const metrics = fanOutMetrics('1,000', await fanOut(servers, size));
  console.log(`${environment().join('\n')}\n\n${overview(servers, metrics)}`);
}

/** Everything, in about a quarter of an hour. */
export async function runFull() {
  const few = { clients: 100, rounds: 5, ticks: 100, bursts: [1], warmUp: 200 };
  const many = { clients: 1_000, rounds: 7, ticks: 25, bursts: [1, 10], warmUp: 60 };
  const most = { clients: 10_000, rounds: 3, ticks: 4, bursts: [1, 10], warmUp: 10 };
  const bare = { isBareNumber: true };
  const metrics = [];
  const own = [];
  // A run that is interrupted leaves what it has measured.
  const add = (...measured) => {
    metrics.push(...measured);
    writeResults(SERVERS, metrics, own);
  };
  const atFew = await fanOut(SERVERS, few);
  const atMany = await fanOut(SERVERS, many);
  add(...fanOutMetrics('1,000', atMany));
  const times = await latency(SERVERS);
  add(
    { title: 'p50', unit: 'ms at 20/s', values: times.p50 },
    { title: 'p99', unit: 'ms at 20/s', values: times.p99 },
    { title: 'p99.9', unit: 'ms at 20/s', values: times.p999 },
    { title: 'highest rate with p99 < 100 ms', unit: 'events/s', values: times.rate, ...bare },
  );
  writePlots(SERVERS, { 100: atFew[1], 1_000: atMany[1] }, times);
  const idle = await memory(SERVERS);
  add(
    { title: 'idle connection', unit: 'KB heap', values: idle.heap, ...bare },
    { title: 'idle connection', unit: 'KB resident', values: idle.rss, ...bare },
  );
  own.push(replayTable(await replay(serversOf('ours')[0])), plainRouteTable(await plainRoute()));
  const besideStalled = await stalled(serversOf('floor', 'ours', 'nest'));
  add(
    { title: '900 clients, p99', unit: 'ms', values: besideStalled.alone, ...bare },
    { title: 'beside 100 that do not read', unit: 'ms', values: besideStalled.beside, ...bare },
  );
  const atMost = await fanOut(SERVERS, most);
  add(...fanOutMetrics('10,000', atMost));
  add({ title: '10,000 topics', unit: 'µs CPU per publish', values: await topics(SERVERS) });
  writePlots(SERVERS, { 100: atFew[1], 1_000: atMany[1], 10_000: atMost[1] }, times);
  console.log(
    `${environment().join('\n')}\n\n${overview(SERVERS, metrics)}\n\n${own.join('\n\n')}`,
  );
}

export async function runProfile(key, count) {
  const [entry] = serversOf(key);
  if (entry === undefined) throw new Error(`Servers: ${SERVERS.map(({ key }) => key).join(', ')}`);
  await profile(entry, { count, ticks: Math.ceil(1_000 / count) });
}
