import assert from 'node:assert/strict';
import type { Archive, ArchivedEvent, ArchiveQuery } from '../backplane/archive.js';
import type { History } from '../log/log-sink.js';
import { type ConformanceBench, type Instance, positionOf } from './conformance-bench.js';

/** Rules for the topics that the checks publish to; the tail is short, so that it does not help. */
const HISTORY: Partial<History> = {
  maxEvents: 5,
  topics: [
    { match: 'all.*' },
    { match: 'few.*', keepEvents: 3 },
    { match: 'short', keepFor: 20 },
    { match: 'keyed', keepLatestPerKey: true },
  ],
};
/** More than any check publishes. */
export const MANY = 1_000;

/** An instance with an archive, as a check sees it. */
export interface Kept extends Instance {
  readonly archive: Archive;
  /** Publishes a text to topics; gives the offset. */
  readonly add: (topics: string | string[], text: string, key?: string) => Promise<number>;
  /** Reads some topics from an offset on. */
  readonly read: (
    topics: ArchiveQuery['topics'],
    query?: Partial<ArchiveQuery>,
  ) => ReturnType<Archive['read']>;
}

/** Undefined for a backplane that keeps nothing beyond the tail. */
export async function openKept(
  bench: ConformanceBench,
  history: Partial<History> = {},
): Promise<Kept | undefined> {
  const instance = await bench.open({ ...HISTORY, ...history });
  const { backplane, sink } = instance;
  const { archive } = backplane;
  if (archive === undefined) return undefined;
  return {
    ...instance,
    archive,
    async add(topics, text, key) {
      const names = typeof topics === 'string' ? [topics] : topics;
      const record = { topics: names, text, isJson: false, key };
      return positionOf(await bench.within('publish', backplane.publish(record))).offset;
    },
    read: (topics, query) =>
      bench.within(
        'read',
        archive.read({
          topics,
          epoch: sink.epoch,
          after: 0,
          upTo: Number.MAX_SAFE_INTEGER,
          maxEvents: MANY,
          maxBytes: 1_000_000,
          ...query,
        }),
      ),
  };
}

export const textsOf = (events: readonly ArchivedEvent[]) =>
  events.map(({ record }) => record.text);
export const offsetsOf = (events: readonly ArchivedEvent[]) => events.map(({ offset }) => offset);

/** Reads page after page, as a reader does. */
export async function readAll(
  { read }: Kept,
  topics: ArchiveQuery['topics'],
  query: Partial<ArchiveQuery> & { readonly upTo: number },
): Promise<ArchivedEvent[]> {
  const events: ArchivedEvent[] = [];
  for (let after = query.after ?? 0; after < query.upTo;) {
    const page = await read(topics, { ...query, after });
    assert(page.upTo > after, `a page after ${after} is complete up to ${page.upTo}`);
    assert(page.upTo <= query.upTo, `a page up to ${query.upTo} is complete up to ${page.upTo}`);
    assert(page.events.length <= (query.maxEvents ?? MANY), 'events of a page');
    const last = page.events.at(-1)?.offset ?? 0;
    assert(last <= page.upTo, `a page that is complete up to ${page.upTo} has ${last}`);
    events.push(...page.events);
    after = page.upTo;
  }
  return events;
}
