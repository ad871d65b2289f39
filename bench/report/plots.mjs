import { mkdirSync, writeFileSync } from 'node:fs';
import { median } from '../lib/stats.mjs';
import { plot } from './plot.mjs';

const DIRECTORY = new URL('../plots/', import.meta.url);
const PERCENTILES = { p50: 2, p99: 100, p999: 1_000 };

/**
 * The plots that the README shows.
 *
 * @param {import('../servers/index.mjs').Entry[]} servers
 * @param {Record<number, Record<string, number[]>>} costs by number of clients, then by server
 * @param {Record<string, Record<string, number[]>>} latencies by percentile, then by server
 */
export function writePlots(servers, costs, latencies) {
  mkdirSync(DIRECTORY, { recursive: true });
  const sizes = Object.keys(costs).map(Number);
  write('cpu.svg', {
    title: 'What one delivery costs the server',
    y: { label: 'µs of CPU per delivered event, one event per tick' },
    x: {
      label: 'clients on one topic',
      ticks: sizes.map((value) => ({ value, label: value.toLocaleString('en') })),
    },
    series: servers.map(({ key, short }) => ({
      label: short,
      points: sizes.map((x) => ({ x, y: medianOf(costs[x][key]) })),
    })),
  });
  write('latency.svg', {
    title: 'From publish to the client',
    y: { label: 'milliseconds, 20 events per second to 1,000 clients', isLogarithmic: true },
    x: {
      label: 'percentile of deliveries',
      ticks: Object.entries(PERCENTILES).map(([name, value]) => ({
        value,
        label: name === 'p999' ? '99.9 %' : `${name.slice(1)} %`,
      })),
    },
    series: servers.map(({ key, short }) => ({
      label: short,
      points: Object.entries(PERCENTILES).map(([name, x]) => ({
        x,
        y: medianOf(latencies[name][key]),
      })),
    })),
  });
}

function medianOf(values) {
  return values === undefined ? NaN : median(values);
}

function write(name, content) {
  writeFileSync(new URL(name, DIRECTORY), plot(content));
}
