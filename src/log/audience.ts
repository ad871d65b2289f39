import type { Observable, Subscription } from 'rxjs';

/** Somebody who reads an index. */
export interface Listener {
  /** There may be something to read. */
  schedule(): void;
}

/**
 * Those who read one index: one observer of its announcements for all of them, so that telling a reader
 * costs a call, and joining and leaving cost the same however many there are.
 */
export class Audience {
  readonly #announcements: Observable<void>;
  readonly #listeners = new Set<Listener>();
  #subscription: Subscription | undefined;

  constructor(announcements: Observable<void>) {
    this.#announcements = announcements;
  }

  join(listener: Listener): void {
    this.#listeners.add(listener);
    this.#subscription ??= this.#announcements.subscribe(() => {
      for (const each of this.#listeners) each.schedule();
    });
  }

  leave(listener: Listener): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size > 0) return;
    this.#subscription?.unsubscribe();
    this.#subscription = undefined;
  }
}
