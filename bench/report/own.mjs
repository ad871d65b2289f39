import { summarize } from '../lib/stats.mjs';
import { formatTable, round } from './table.mjs';

/** @param {Record<string, { connects: number[], replay: number[] }>} results by length of the log */
export function replayTable(results) {
  const head = [
    '1,000 clients reconnect at once: longest block of the event loop, ms',
    'nothing to replay',
    '100 events each',
    'added',
  ];
  const rows = Object.entries(results).map(([length, { connects, replay }]) => {
    const added = summarize(replay).median - summarize(connects).median;
    return [
      `log of ${Number(length).toLocaleString('en')} events`,
      cell(connects),
      cell(replay),
      round(added),
    ];
  });
  return formatTable([head, ...rows]);
}

/** @param {{ without: number[], with: number[] }} results */
export function plainRouteTable(results) {
  const added = summarize(results.with).median - summarize(results.without).median;
  return formatTable([
    ['a route that is not SSE: µs of CPU per request', 'without SseModule', 'with it', 'added'],
    ['Nest on Express', cell(results.without), cell(results.with), round(added)],
  ]);
}

function cell(values) {
  const { median, min, max } = summarize(values);
  return `${round(median)} (${round(min)} – ${round(max)})`;
}
