import type { Log } from '../log/log.js';
import type { History } from '../log/log-sink.js';

/** What part of the log there has to be room for, before what was told last as a whole is gone. */
const SPARE = 0.5;

/**
 * Whether an entry of the log may soon be gone that an instance needs which begins then.
 *
 * @param saidAt when it was written, on the monotonic clock
 */
export function isStateDue(log: Log, history: History, offset: number, saidAt: number): boolean {
  const { maxEvents, maxBytes, maxAge } = history;
  if (maxAge !== false && performance.now() - saidAt > maxAge * SPARE) return true;
  const fill = Math.max(log.length / maxEvents, log.bytes / maxBytes);
  const held = log.head - log.lost;
  const share = held === 0 ? 0 : Math.max(offset - log.lost, 0) / held;
  return 1 - fill * (1 - share) < SPARE;
}
