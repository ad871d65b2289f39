/** How many times as long as usual everything may take on a machine that has much to do. */
const PATIENCE = Number(process.env['TEST_PATIENCE'] ?? 1);

/** Resolves when the condition holds; rejects after a bound, saying what it waited for. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  bound = 5_000,
): Promise<void> {
  const end = performance.now() + bound * PATIENCE;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`Not within ${bound * PATIENCE} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** The end of the current turn of the event loop, and of the next ones. */
export async function turns(count = 3): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** For a behaviour that consists of time. */
export function elapse(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
