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

/** @param {{ without: number, with: number }[]} pairs */
export function plainRouteTable(pairs) {
  const without = pairs.map((pair) => pair.without);
  const withModule = pairs.map((pair) => pair.with);
  const added = pairs.map((pair) => pair.with - pair.without);
  return formatTable([
    ['a route that is not SSE: µs of CPU per request', 'without SseModule', 'with it', 'added'],
    [`Nest on Express, ${pairs.length} pairs`, cell(without), cell(withModule), cell(added)],
  ]);
}

function cell(values) {
  const { median, min, max } = summarize(values);
  return `${round(median)} (${round(min)} – ${round(max)})`;
}
