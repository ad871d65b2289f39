import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';

/** How far apart, in seconds, two readings of one boot's time may be: clocks are set. */
const TOLERANCE = 10;

/**
 * Names the time since the machine was switched on. What a process wrote before it was killed is there as
 * long as this stays the same; what it did not sync may be gone when it has changed.
 */
export function currentBoot(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return `since ${Math.round(Date.now() / 1_000 - uptime())}`;
  }
}

export function isSameBoot(one: string, other: string): boolean {
  if (one === other) return true;
  const [a, b] = [one, other].map((boot) => Number(/^since (\d+)$/.exec(boot)?.[1]));
  return Math.abs((a ?? NaN) - (b ?? NaN)) <= TOLERANCE;
}
