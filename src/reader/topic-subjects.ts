import { type Observable, Subject } from 'rxjs';
import type { IndexObserver, TopicIndex } from '../log/topic-index.js';
import type { TaskGroup, TurnScheduler, Work } from '../log/turn-scheduler.js';

/**
 * Announces what is added to a topic (or for a matcher). Its one observer has all readers of the topic run in
 * the next turn, so that announcing costs the same however many they are, and so do joining and leaving.
 */
class TopicSubject extends Subject<void> implements TaskGroup, IndexObserver {
  queued = false;
  readonly members = new Set<Work>();

  constructor(turn: TurnScheduler) {
    super();
    this.subscribe(() => turn.addGroup(this));
  }
}

/** The Subjects behind the bus: one for each topic, and each matcher, that somebody reads. */
export class TopicSubjects {
  readonly #byIndex = new Map<TopicIndex, TopicSubject>();
  readonly #turn: TurnScheduler;

  constructor(turn: TurnScheduler) {
    this.#turn = turn;
  }

  /**
   * @param reader run in the turn after something was added to the index
   * @returns emits at once, when it is added
   */
  join(index: TopicIndex, reader: Work): Observable<void> {
    let subject = this.#byIndex.get(index);
    if (subject === undefined) {
      subject = new TopicSubject(this.#turn);
      this.#byIndex.set(index, subject);
      index.observer = subject;
    }
    subject.members.add(reader);
    return subject;
  }

  leave(index: TopicIndex, reader: Work): void {
    const subject = this.#byIndex.get(index);
    if (subject?.members.delete(reader) !== true || subject.members.size > 0) return;
    this.#byIndex.delete(index);
    index.observer = undefined;
    subject.complete();
  }
}
