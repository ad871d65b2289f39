const started = performance.now();

/** What the benchmark is doing: on stderr, so that stdout is the table alone. */
export function progress(text) {
  const seconds = String(Math.round((performance.now() - started) / 1_000)).padStart(4);
  console.error(`${seconds} s  ${text}`);
}
