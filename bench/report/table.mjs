import { summarize } from '../lib/stats.mjs';

/**
 * One thing that was measured for several servers.
 *
 * @typedef {object} Metric
 * @property {string} title
 * @property {string} unit
 * @property {Record<string, number[]>} values by server, one for each round
 * @property {boolean} [isBareNumber] not to be compared with the floor
 */

/**
 * Markdown that is aligned for the eye as well.
 *
 * @param {string[][]} rows the first one is the head
 */
export function formatTable(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row) =>
    `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' | ')} |`;
  const rule = widths.map((width, i) =>
    i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  return [line(rows[0]), `| ${rule.join(' | ')} |`, ...rows.slice(1).map(line)].join('\n');
}

/**
 * The table: a row for each server, a column for each metric; in brackets the ratio to the floor.
 *
 * @param {import('../servers/index.mjs').Entry[]} servers
 * @param {Metric[]} metrics
 */
export function overview(servers, metrics) {
  const head = ['', ...metrics.map(({ title, unit }) => `${title}, ${unit}`)];
  const rows = servers.map(({ key, label }) => [
    label,
    ...metrics.map((metric) => overviewCell(metric, key)),
  ]);
  return formatTable([head, ...rows]);
}

function overviewCell({ values, isBareNumber }, key) {
  if (values[key] === undefined) return '';
  const { median } = summarize(values[key]);
  if (isBareNumber || values.floor === undefined) return round(median);
  return `${round(median)} (${round(median / summarize(values.floor).median)}×)`;
}

/** One metric with the spread of its rounds. */
export function spread(servers, { title, unit, values, isBareNumber }) {
  const rows = servers
    .filter(({ key }) => values[key] !== undefined)
    .map(({ key, label }) => {
      const { median, min, max } = summarize(values[key]);
      const ratios = isBareNumber || !values.floor ? [] : ratiosToFloor(values, key);
      const ratio = ratios.length === 0 ? '' : round(summarize(ratios).median);
      return [label, round(median), `${round(min)} – ${round(max)}`, ratio];
    });
  const head = [`${title}, ${unit}`, 'median', 'least – most', 'ratio to the floor'];
  return formatTable([head, ...rows]);
}

/** Round by round, so that what disturbs a round disturbs both sides of the ratio. */
function ratiosToFloor(values, key) {
  return values[key]
    .map((value, i) => value / (values.floor[i] ?? NaN))
    .filter((ratio) => !Number.isNaN(ratio));
}

export function round(value) {
  if (!Number.isFinite(value)) return 'lost';
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}
