import type {
  Archive,
  ArchivedEvent,
  ArchivePage,
  ArchiveQuery,
  ArchiveStart,
  ArchiveTopics,
} from '../../src/backplane/archive.js';
import type { EventRecord } from '../../src/log/entry.js';
import type { Core } from './core.js';
import { KEEP_FOR, type Rule } from './kept.js';
import type { Random } from './random.js';
import type { Moment } from './witness.js';

/** Later than when what is empty is forgotten. */
const LONG_AFTER = KEEP_FOR * 10;

type Asked = Moment['asked'];

/** The archive in memory as one that is far away: it answers when the run says so, in small pages. */
export class FarArchive implements Archive {
  readonly knowsRules: boolean;
  readonly #core: Core;
  readonly #rules: readonly Rule[];
  readonly #random: Random;
  readonly #pageSize: number;
  #near: InstanceType<Core['MemoryArchive']> | undefined;
  #unanswered: { readonly asked: Asked; readonly answer: () => void }[] = [];
  readonly #now: () => Asked;

  /** @param now what there is at the time of a question */
  constructor(
    core: Core,
    rules: readonly Rule[],
    knowsRules: boolean,
    random: Random,
    now: () => Asked,
  ) {
    this.#core = core;
    this.#rules = rules;
    this.knowsRules = knowsRules;
    this.#random = random;
    this.#now = now;
    this.#pageSize = random.chance(0.8) ? random.int(1, 4) : Infinity;
  }

  beginEpoch(epoch: string): void {
    this.close();
    const rules = new this.#core.RetentionRules(this.#rules);
    this.#near = new this.#core.MemoryArchive(rules, Infinity, epoch);
  }

  add(offset: number, record: EventRecord): void {
    this.#near?.add(offset, record);
  }

  expire(): void {
    this.#near?.sweep(performance.now() + KEEP_FOR + 1);
  }

  /** Forgets which topics there were of which nothing is left. */
  forget(): void {
    this.#near?.sweep(performance.now() + LONG_AFTER);
  }

  close(): void {
    this.#near?.close();
  }

  /** What there was when the oldest question was asked that has no answer yet. */
  get asked(): Asked | undefined {
    return this.#unanswered[0]?.asked;
  }

  /** Answers a question; says whether there was one. */
  answer(areAll = false): boolean {
    const answers = this.#unanswered.splice(0, areAll ? Infinity : 1);
    for (const { answer } of answers) answer();
    return answers.length > 0;
  }

  read(query: ArchiveQuery): Promise<ArchivePage> {
    const maxEvents = Math.min(query.maxEvents, this.#pageSize);
    return this.#later((archive) => archive.read({ ...query, maxEvents }));
  }

  seek(topics: ArchiveTopics, start: ArchiveStart): Promise<number> {
    return this.#later((archive) => archive.seek(topics, start));
  }

  latest(topics: ArchiveTopics, upTo: number): Promise<ArchivedEvent | undefined> {
    return this.#later((archive) => archive.latest(topics, upTo));
  }

  async size(): Promise<object> {
    return {};
  }

  /** What is true may change before it is asked for, and before the answer has come. */
  #later<T>(ask: (archive: Archive) => Promise<T>): Promise<T> {
    const isAtOnce = this.#random.chance(0.5);
    const found = isAtOnce ? this.#ask(ask) : undefined;
    return new Promise((resolve, reject) => {
      const answer = () => void (found ?? this.#ask(ask)).then(resolve, reject);
      this.#unanswered.push({ asked: this.#now(), answer });
    });
  }

  #ask<T>(ask: (archive: Archive) => Promise<T>): Promise<T> {
    if (this.#near === undefined) throw new Error('The archive has no epoch');
    return ask(this.#near);
  }
}
