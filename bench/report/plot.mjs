const WIDTH = 760;
const HEIGHT = 400;
const AREA = { left: 64, top: 48, right: 560, bottom: 340 };
/** Readable on white and on black. */
const COLOURS = [
  '#7a7a7a',
  '#d1242f',
  '#1f77d0',
  '#b8860b',
  '#2e9e5b',
  '#8250df',
  '#c2569b',
  '#0f9aa8',
];
const INK = '#7d8590';

/**
 * A line for each server over values of x, which has a logarithmic scale unless it is linear; y has one if asked for.
 *
 * @typedef {{ label: string, points: { x: number, y: number }[] }} Series
 * @param {{ title: string, x: { label: string, isLinear?: boolean,
 *   ticks: { value: number, label: string }[] }, y: { label: string, isLogarithmic?: boolean }, series: Series[] }} plot
 * @returns {string} SVG
 */
export function plot({ title, x, y, series }) {
  const ys = series.flatMap(({ points }) => points.map((point) => point.y)).filter(Number.isFinite);
  const yTicks = y.isLogarithmic
    ? powers(Math.min(...ys), Math.max(...ys))
    : steps(Math.max(...ys));
  const xs = x.ticks.map(({ value }) => value);
  const scaleX = scale(
    Math.min(...xs),
    Math.max(...xs),
    AREA.left,
    AREA.right,
    x.isLinear !== true,
  );
  const scaleY = scale(yTicks[0], yTicks.at(-1), AREA.bottom, AREA.top, y.isLogarithmic);
  const lines = series.map((one, i) =>
    seriesOf(one, COLOURS[i % COLOURS.length], i, scaleX, scaleY),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="12" fill="${INK}" role="img">
<title>${title}</title>
<text x="${AREA.left}" y="22" font-size="15" font-weight="600">${title}</text>
<text x="${AREA.left}" y="40">${y.label}</text>
${yTicks.map((value) => yTick(value, scaleY(value))).join('\n')}
${x.ticks.map(({ value, label }) => xTick(label, scaleX(value))).join('\n')}
<text x="${(AREA.left + AREA.right) / 2}" y="${AREA.bottom + 44}" text-anchor="middle">${x.label}</text>
${lines.join('\n')}
</svg>
`;
}

function seriesOf({ label, points }, colour, index, scaleX, scaleY) {
  const drawn = points.filter((point) => Number.isFinite(point.y));
  const path = drawn
    .map((point) => `${place(scaleX(point.x))},${place(scaleY(point.y))}`)
    .join(' ');
  const dots = drawn
    .map((point) => `<circle cx="${place(scaleX(point.x))}" cy="${place(scaleY(point.y))}" r="3"/>`)
    .join('');
  const legend = AREA.top + 8 + index * 20;
  const x = AREA.right + 20;
  return `<g fill="${colour}" stroke="none"><polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>${dots}
<rect x="${x}" y="${legend - 9}" width="10" height="10"/><text x="${x + 16}" y="${legend}">${escape(label)}</text></g>`;
}

function yTick(value, at) {
  return `<line x1="${AREA.left}" x2="${AREA.right}" y1="${place(at)}" y2="${place(at)}" stroke="${INK}" stroke-opacity="0.25"/><text x="${AREA.left - 8}" y="${place(at + 4)}" text-anchor="end">${value}</text>`;
}

function xTick(label, at) {
  return `<text x="${place(at)}" y="${AREA.bottom + 22}" text-anchor="middle">${label}</text>`;
}

function scale(from, to, start, end, isLogarithmic) {
  const of = isLogarithmic ? Math.log : (value) => value;
  return (value) => start + ((of(value) - of(from)) / (of(to) - of(from))) * (end - start);
}

function powers(least, most) {
  const all = [];
  for (let value = 10 ** Math.floor(Math.log10(least)); value < most * 10; value *= 10)
    all.push(value);
  return all;
}

function steps(most) {
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((size) => most / size <= 8) ?? 1_000;
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, i) => i * step);
}

const place = (value) => value.toFixed(1);
const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
