import type { Observable, Subscription } from 'rxjs';
import type { TaskGroup, TurnScheduler, Work } from './turn-scheduler.js';

/**
 * Those who read one index: one observer of its announcements for all of them, so that announcing costs the
 * same however many they are, and so do joining and leaving.
 */
export class Audience implements TaskGroup {
  queued = false;
  readonly members = new Set<Work>();
  readonly #announcements: Observable<void>;
  readonly #turn: TurnScheduler;
  #subscription: Subscription | undefined;

  constructor(announcements: Observable<void>, turn: TurnScheduler) {
    this.#announcements = announcements;
    this.#turn = turn;
  }

  join(member: Work): void {
    this.members.add(member);
    this.#subscription ??= this.#announcements.subscribe(() => this.#turn.addGroup(this));
  }

  leave(member: Work): void {
    this.members.delete(member);
    if (this.members.size > 0) return;
    this.#subscription?.unsubscribe();
    this.#subscription = undefined;
  }
}
