import { chainOf } from '../../src/nest/internals/rxjs-chain.js';
import type { EventBus } from '../../src/bus/event-bus.js';
import type { BackplaneHealth } from '../../src/backplane/backplane.js';
import type { EventRecord } from '../../src/log/entry.js';
import type { Log } from '../../src/log/log.js';
import type { TurnScheduler } from '../../src/log/turn-scheduler.js';
import type { Core } from './core.js';
import type { FarArchive } from './far-archive.js';
import type { ReaderRun } from './reader-run.js';
import { type LostRange, timeOf } from './reference.js';
import type { Moment } from './witness.js';

/** One instance: a replica of the log that is fed when the run says so. */
export class Instance {
  readonly turn: TurnScheduler;
  readonly log: Log;
  readonly bus: EventBus;
  readonly #run: ReaderRun;
  readonly holes: LostRange[] = [];
  #fed = 0;
  #catchUps: { readonly upTo: number; readonly resolve: () => void }[] = [];

  constructor(run: ReaderRun) {
    this.#run = run;
    this.turn = new run.core.TurnScheduler();
    this.log = new run.core.Log(run.history, this.turn);
    const backplane = new (modelBackplane(run, this))();
    const rules = new run.core.RetentionRules(run.kept.rules);
    this.bus = new run.core.EventBus(this.log, this.turn, backplane, chainOf, { rules });
  }

  /** Takes some of what is ordered; says whether there was any. */
  feed(count: number): boolean {
    const news = this.#run.ordered.slice(this.#fed, this.#fed + count);
    for (const { epoch, offset, record } of news) {
      if (record === undefined) this.log.reset(epoch, offset);
      else this.log.append(offset, record);
    }
    this.#count(news.length);
    return news.length > 0;
  }

  get moment(): Moment {
    const { epoch, head, lost } = this.log;
    const { kept, reference } = this.#run;
    const { losses } = kept;
    const published = reference.next;
    const asked = this.#run.archive.asked ?? { lost, losses, published };
    return { epoch, head, lost, losses, published, holes: this.holes, asked };
  }

  /** Resolves when everything that is ordered now has been fed. */
  catchUp(): Promise<void> {
    return new Promise((resolve) => {
      this.#catchUps.push({ upTo: this.#run.ordered.length, resolve });
      this.#count(0);
    });
  }

  /** Loses some of what is ordered, as a replica does that was away for too long. */
  lose(count: number): void {
    const news = this.#run.ordered.slice(this.#fed, this.#fed + count);
    const { epoch } = this.log;
    if (news.length === 0 || news.some(({ record }) => record === undefined)) return;
    const upTo = news.at(-1)?.offset ?? 0;
    const hole = { epoch, after: this.log.head, upTo };
    this.#run.holes.push(hole);
    this.holes.push(hole);
    this.log.lose(upTo);
    this.#count(news.length);
  }

  #count(news: number): void {
    this.#fed += news;
    for (const { upTo, resolve } of this.#catchUps) if (upTo <= this.#fed) resolve();
    this.#catchUps = this.#catchUps.filter(({ upTo }) => upTo > this.#fed);
  }
}

function modelBackplane(
  run: ReaderRun,
  instance: Instance,
): new () => InstanceType<Core['Backplane']> {
  return class extends run.core.Backplane {
    override readonly isLocal = run.isLocal;
    override readonly health: BackplaneHealth = {
      isConnected: true,
      lastReadAt: undefined,
      lagEvents: 0,
      lagMs: 0,
    };
    override get archive(): FarArchive {
      return run.archive;
    }
    override async open(): Promise<void> {}
    override catchUp(): Promise<void> {
      return instance.catchUp();
    }
    override async close(): Promise<void> {}
    override async publish(record: EventRecord): Promise<string> {
      const { epoch, offset } = run.order({ ...record, at: timeOf(run.reference.next - 1) });
      return `${epoch}.${offset}`;
    }
  };
}
