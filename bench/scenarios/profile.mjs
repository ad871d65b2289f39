import { fileURLToPath } from 'node:url';
import { Contender } from '../lib/contender.mjs';
import { progress } from '../lib/progress.mjs';

const DIRECTORY = fileURLToPath(new URL('..', import.meta.url));

/** Writes a CPU profile of a server with 1,000 clients: open the file in a browser's developer tools. */
export async function profile(entry, { clients = 1_000, ticks = 1_000, count = 1 } = {}) {
  const name = `${entry.key}.cpuprofile`;
  const execArgv = ['--cpu-prof', `--cpu-prof-dir=${DIRECTORY}`, `--cpu-prof-name=${name}`];
  const contender = await new Contender(entry, { execArgv }).start();
  try {
    progress(`${entry.label}: ${ticks} ticks for ${clients} clients, profiled`);
    await contender.connect({ clients });
    for (let i = 0; i < ticks; i++) await contender.tick({ count });
    await contender.check();
  } finally {
    await contender.stop();
  }
  progress(`bench/${name}`);
}
