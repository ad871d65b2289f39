import { isBefore } from '../log/cursor.js';
import type { RedisPosition } from './position.js';

interface CatchUp {
  /** Looks that had begun when it was asked for: what they find may be too old. */
  readonly after: number;
  /** What has to be reached, once a later look has found it. */
  end?: RedisPosition;
  readonly resolve: () => void;
}

/**
 * Those who wait until this instance has everything that was ordered when they asked. They cause no look
 * at where the log ends: they wait for the next one, whoever it is for.
 */
export class CatchUps {
  #looks = 0;
  #waiting: CatchUp[] = [];
  #isClosed = false;

  wait(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ after: this.#looks, resolve }));
  }

  /** Redis is asked where the log ends; gives the look's number. */
  beginLook(): number {
    return ++this.#looks;
  }

  /** It has answered. */
  endLook(look: number, end: RedisPosition): void {
    for (const each of this.#waiting) if (each.after < look) each.end ??= end;
  }

  /** This instance has read up to here. */
  reach(position: RedisPosition): void {
    if (this.#waiting.length === 0) return;
    const isOver = ({ end }: CatchUp) => end !== undefined && !isBefore(position, end);
    const over = this.#waiting.filter(isOver);
    this.#waiting = this.#waiting.filter((each) => !isOver(each));
    for (const { resolve } of over) resolve();
  }

  close(): void {
    this.#isClosed = true;
    for (const { resolve } of this.#waiting) resolve();
    this.#waiting = [];
  }
}
