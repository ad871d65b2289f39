import { environment } from './report/environment.mjs';
import { overview } from './report/table.mjs';
import { fanOut } from './scenarios/fan-out.mjs';
import { profile } from './scenarios/profile.mjs';
import { SERVERS, serversOf } from './servers/index.mjs';

const fanOutMetrics = (clients, results) =>
  Object.entries(results).map(([burst, values]) => ({
    title: `${clients} clients, ${burst === '1' ? 'one event' : `${burst} events`} per tick`,
    unit: 'µs of CPU per delivery',
    values,
  }));

/** Under two minutes: what an event costs. */
export async function runQuick() {
  const servers = serversOf('floor', 'ours', 'nest');
  const size = { clients: 1_000, rounds: 7, ticks: 25, bursts: [1, 10], warmUp: 40 };
  const metrics = fanOutMetrics('1,000', await fanOut(servers, size));
  console.log(`${environment().join('\n')}\n\n${overview(servers, metrics)}`);
}

export async function runProfile(key, count) {
  const [entry] = serversOf(key);
  if (entry === undefined) throw new Error(`Servers: ${SERVERS.map(({ key }) => key).join(', ')}`);
  await profile(entry, { count, ticks: Math.ceil(1_000 / count) });
}

export async function runFull() {}
