import { writeFileSync } from 'node:fs';
import { environment } from './environment.mjs';
import { overview, spread } from './table.mjs';

const FILE = new URL('../RESULTS.md', import.meta.url);

/**
 * Writes RESULTS.md: the table, the spread of every number in it, and what only this package does.
 *
 * @param {import('../servers/index.mjs').Entry[]} servers
 * @param {import('./table.mjs').Metric[]} metrics
 * @param {string[]} own tables of what has no counterpart in other servers
 */
export function writeResults(servers, metrics, own) {
  const sections = [
    '# Results\n\nWritten by `npm run bench`; `README.md` beside it says how to read them.',
    environment()
      .map((line) => `- ${line}`)
      .join('\n'),
    overview(servers, metrics),
    '## What only this package does',
    ...own,
    '## The spread of the rounds',
    'Ratios are taken round by round.',
    ...metrics.map((metric) => spread(servers, metric)),
  ];
  writeFileSync(FILE, `${sections.join('\n\n')}\n`);
}
