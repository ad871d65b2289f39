import type { Observable, Subscription } from 'rxjs';
import type { EndedConnection } from '../delivery/connection-info.js';

/** One connection that has ended, as the page shows it. */
export interface RecentEnd {
  readonly id: string;
  readonly owner: string | undefined;
  readonly route: string;
  readonly reason: string;
  readonly bytes: number;
  /** Milliseconds. */
  readonly duration: number;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}

const KEPT = 50;

/** The last connections that have ended, the latest first. */
export class RecentEnds {
  readonly #ends: RecentEnd[] = [];
  readonly #subscription: Subscription;

  constructor(ends: Observable<EndedConnection>) {
    this.#subscription = ends.subscribe((end) => this.#add(end));
  }

  get all(): readonly RecentEnd[] {
    return this.#ends;
  }

  close(): void {
    this.#subscription.unsubscribe();
  }

  #add({ connection: { id, owner, route }, reason, bytes, duration }: EndedConnection): void {
    this.#ends.unshift({ id, owner, route, reason, bytes, duration, at: Date.now() });
    if (this.#ends.length > KEPT) this.#ends.pop();
  }
}
