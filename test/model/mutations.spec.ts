import { beforeAll, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { checkReader, checkSockets } from './check.js';
import { checkMutation, type Mutation, withMutant } from './mutant.js';

beforeAll(() => {
  Logger.overrideLogger(false);
});

/** Mistakes that the runs of the reader alone have to find. */
const IN_THE_READER: Record<string, Mutation> = {
  'one event too few at the splice': {
    file: 'reader/start.ts',
    from: 'return { offset: position.offset, gap: undefined };',
    to: 'return { offset: position.offset + 1, gap: undefined };',
  },
  'one event too many at the splice': {
    file: 'reader/start.ts',
    from: 'return { offset: position.offset, gap: undefined };',
    to: 'return { offset: Math.max(position.offset - 1, 0), gap: undefined };',
  },
  'a topic found one entry too far': {
    file: 'log/entry-queue.ts',
    from: '?? Infinity) > offset',
    to: '?? Infinity) > offset + 1',
  },
  'a heartbeat that overtakes what operators hold': {
    file: 'reader/message-ids.ts',
    from: 'for (const { held } of this.#streams.all) if (held.value < least) least = held.value;',
    to: '',
  },
  'a heartbeat that overtakes what has not been read': {
    file: 'reader/reader-streams.ts',
    from: 'return this.nextAfter(offset) === undefined;',
    to: 'return true;',
  },
  'a reader that nobody wakes': {
    file: 'log/topic-index.ts',
    from: '    this.observer?.next();\n',
    to: '',
  },
  'a topic that forgets what it lost': {
    file: 'log/topic-index.ts',
    from: '    this.lost = entry.offset;\n',
    to: '',
  },
  'a topic that is dropped and forgets what it lost': {
    file: 'log/topics.ts',
    from: '    this.#lostTopics.remember(topic, index.lost);\n',
    to: '',
  },
  'a gap for everybody, whatever was lost': {
    file: 'reader/reader.ts',
    from: 'if (this.streams.haveLost(this.#offset)) return this.#lookBack();',
    to: "if (this.#log.lost > this.#offset) return this.#cross('trimmed', this.#log.lost);",
  },
  'a hole that is crossed in silence': {
    file: 'reader/reader.ts',
    from: "return this.#cross('trimmed', hole.upTo);",
    to: 'this.#offset = hole.upTo;',
  },
  'another epoch that passes for the same': {
    file: 'reader/start.ts',
    from: "if (isGone) return { offset: this.#streams.oldestIn(log), gap: 'epoch' };",
    to: '',
  },
  'a place that may yet come, taken for one of a log that is gone': {
    file: 'reader/start.ts',
    from: 'const position = isLocal ? undefined : parseCursor(requested);',
    to: 'const position = isLocal ? undefined : undefined;',
  },
  'a client that comes back, to whom what was lost meanwhile is settled': {
    file: 'reader/reader-stream.ts',
    from: '    this.settledUpTo = NOTHING;\n    this.topics.forgetLost();\n',
    to: '',
  },
  'a wait of which nobody hears that it is over': {
    file: 'reader/waiting-room.ts',
    from: '    this.#sink.schedule();\n',
    to: '',
  },
  'another epoch that is not noticed in mid-stream': {
    file: 'reader/reader.ts',
    from: "if (this.#epoch !== this.#log.epoch)\n      return this.#cross('epoch', this.streams.oldestIn(this.#log));",
    to: '',
  },
  'a place that was trimmed and is never left': {
    file: 'reader/index-cursor.ts',
    from: 'if (this.#position < entries.start) this.#position = entries.start;',
    to: '',
  },
  'an id while a snapshot is owed': {
    file: 'reader/reader-stream.ts',
    from: '    this.held.pin();\n',
    to: '',
  },
  'a snapshot that misses what is published meanwhile': {
    file: 'reader/reader-stream.ts',
    from: "      if ('error' in answer)",
    to: "      this.after = Infinity;\n      if ('error' in answer)",
  },
  'an event that several streams hold, settled when the first of them emits it': {
    file: 'reader/message-ids.ts',
    from: 'if (left > 0 && holders.length > 1) ',
    to: 'if (left < 0) ',
  },
  'an event of several topics that is sent for each of them': {
    file: 'reader/message-ids.ts',
    from: 'if (isShared) (this.#sentOnce ??= new Set()).add(entry);',
    to: '',
  },
  'latestPerKey that skips what `where` keeps from being replaced': {
    file: 'reader/reader-stream.ts',
    from: 'return !this.topics.isReplaced(entry, (later) => this.#admits(later));',
    to: 'return !this.topics.isReplaced(entry, () => true);',
  },
  'an unmodified stream that reads on alone though its reader has not read everything': {
    file: 'reader/reader.ts',
    from: 'this.#hasBegun && this.#sink.room > 0',
    to: 'this.#hasBegun',
  },
  'an unmodified stream that does not notice that the log has broken off': {
    file: 'reader/topic-cursor.ts',
    from: ' || log.breaks !== this.#breaks',
    to: '',
  },
  'an unmodified stream that reads on and does not move its reader': {
    file: 'reader/topic-cursor.ts',
    from: 'if (reached > this.offset) this.offset = this.told = reached;',
    to: 'if (reached > this.offset) this.told = reached;',
  },
  'an unmodified stream that skips what does not fit': {
    file: 'reader/read-through.ts',
    from: 'if (entry === undefined) break;',
    to: 'if (entry === undefined || (frames !== undefined && entry.offset % 7 === 0)) break;',
  },
  'a reader that is not told again what comes while others read': {
    file: 'log/turn-scheduler.ts',
    from: '    for (const group of groups) group.queued = false;\n',
    to: '    setImmediate(() => {\n      for (const group of groups) group.queued = false;\n    });\n',
  },
};

/** Mistakes where the archive and the tail meet. */
const AT_THE_SEAM: Record<string, Mutation> = {
  'an archive that is asked for one event too few': {
    file: 'reader/archive-pages.ts',
    from: 'archive.read({ topics: shelf.topics, epoch, after, upTo, ...bounds })',
    to: 'archive.read({ topics: shelf.topics, epoch, after: after + 1, upTo: Math.max(upTo, after + 2), ...bounds })',
  },
  'a tail that is taken up one event too late': {
    file: 'reader/reader.ts',
    from: 'this.#offset = Math.max(this.#log.lost, upTo);',
    to: 'this.#offset = Math.max(this.#log.lost + 1, upTo);',
  },
  'a page that is taken for the last one': {
    file: 'reader/index-cursor.ts',
    from: 'after = page.upTo;',
    to: 'return NOTHING;',
  },
  'a page that is taken for a longer one than it is': {
    file: 'reader/archive-pages.ts',
    from: 'return { after, upTo: page.upTo, lost, losses, entries };',
    to: 'return { after, upTo, lost, losses, entries };',
  },
  'an event that the tail has, taken from a page which goes beyond what is missing': {
    file: 'reader/index-cursor.ts',
    from: 'if (entry !== undefined && entry.offset <= lost) {',
    to: 'if (entry !== undefined) {',
  },
  'a trim between two pages of which nobody is told': {
    file: 'reader/index-cursor.ts',
    from: 'const isGap = gone > offset && !this.#isSettled(gone, page.losses, settledUpTo);',
    to: 'const isGap = gone > offset && after === 0 && !this.#isSettled(gone, page.losses, settledUpTo);',
  },
  'an event that the archive and the tail both give': {
    file: 'reader/reader.ts',
    from: "this.#onResumed('archive');\n        return this.#handOutKnown(found.entry);",
    to: "this.#onResumed('archive');\n        if (found.entry.offset % 3 === 0) this.#handOutKnown(found.entry);\n        return this.#handOutKnown(found.entry);",
  },
  'an unmodified stream that goes on past a hole, of which the archive has yet to answer': {
    file: 'reader/reader.ts',
    from: ' && this.#log.holeAfter(this.#offset) === undefined',
    to: '',
  },
  'a hole of which the archive is not asked': {
    file: 'reader/reader.ts',
    from: 'if (this.streams.haveKept) return this.#lookBack(hole.upTo);',
    to: 'if (this.streams.haveKept) {\n        this.#offset = hole.upTo;\n        return true;\n      }',
  },
  'a hole of which the archive is asked only if it has all that there is': {
    file: 'reader/reader.ts',
    from: 'if (this.streams.haveKept) return this.#lookBack(hole.upTo);',
    to: 'if (this.streams.areKept) return this.#lookBack(hole.upTo);',
  },
  'an archive that forgets what it lost': {
    file: 'backplane/kept-topic.ts',
    from: 'if (offset > this.lost) this.#lost = { lost: offset, lostAt: record.at ?? 0 };',
    to: '',
  },
};

/** Mistakes in where streams begin and end. */
const AT_THE_ENDS: Record<string, Mutation> = {
  'the last events, one too few': {
    file: 'reader/topic-cursor.ts',
    from: 'if (first !== undefined) return first - 1;',
    to: 'if (first !== undefined) return first;',
  },
  'what is lost after a stream has begun, settled as if it had been before': {
    file: 'reader/reader-stream.ts',
    from: 'this.settledUpTo = head;',
    to: 'this.settledUpTo = Infinity;',
  },
  'a page without events that is passed as if there were no other': {
    file: 'reader/index-cursor.ts',
    from: 'const known = entry === undefined ? page.upTo : entry.offset - 1;',
    to: 'const known = entry === undefined ? Infinity : entry.offset - 1;',
  },
  'a beginning that is named in a gap which comes later': {
    file: 'reader/reader.ts',
    from: 'return beginning?.offset === this.#offset ? beginning.asked : undefined;',
    to: 'return beginning?.asked;',
  },
  'the last events, counted without those in the tail': {
    file: 'reader/topic-cursor.ts',
    from: 'const start = { last: count - behindHole.length, upTo: missingUpTo };',
    to: 'const start = { last: count, upTo: missingUpTo };',
  },
  'the last events at a hole, one too many': {
    file: 'reader/archived-start.ts',
    from: 'const first = offsets.slice(0, last).at(-1);',
    to: 'const first = offsets.slice(0, last + 1).at(-1);',
  },
  'the last events at a hole, one too few': {
    file: 'reader/archived-start.ts',
    from: 'const first = offsets.slice(0, last).at(-1);',
    to: 'const first = offsets.slice(0, Math.max(last - 1, 1)).at(-1);',
  },
  'the last events at a hole, counted without those before it': {
    file: 'reader/topic-cursor.ts',
    from: 'return hole === 0 ? { start } : { start, beforeHole: offsets.slice(behindHole.length) };',
    to: 'return { start };',
  },
  'the last events of the archive, one too few': {
    file: 'backplane/memory-archive.ts',
    from: 'return distinct[start.last] ?? 0;',
    to: 'return distinct[start.last - 1] ?? 0;',
  },
  'a log that has taken the place of another, of which a client has everything when it has as much':
    {
      file: 'reader/reader.ts',
      from: 'this.#announcements?.onAnotherLog(this.#log.head);',
      to: '',
    },
  'a time, one event too late': {
    file: 'log/log.ts',
    from: 'this.#entries.seekTime(time) - 1',
    to: 'this.#entries.seekTime(time)',
  },
  'a time in the archive, one event too late': {
    file: 'backplane/kept-topic.ts',
    from: 'if ((record.at ?? 0) >= time) continue;',
    to: 'if ((record.at ?? 0) > time) continue;',
  },
  'a time before which something may be lost, for which nobody asks the archive': {
    file: 'log/log.ts',
    from: '(this.#lostAt < time ? this.#lost : undefined)',
    to: 'this.#lost',
  },
  'an end that goes by': {
    file: 'reader/reader.ts',
    from: 'if (last.length > 0) this.#complete(last);',
    to: '',
  },
  'an end of which a client is not told, for operators have dropped it': {
    file: 'reader/reader.ts',
    from: 'this.#operators?.tellEnd(this.#offset);',
    to: '',
  },
  'an end that a client has, of which nobody knows when it comes back': {
    file: 'reader/reader-stream.ts',
    from: '(archive) => archive.latest({ topics: kept, epoch: log.epoch }, offset)',
    to: '(archive) => archive.latest({ topics: kept, epoch: log.epoch }, offset - 1)',
  },
  'the word that all has come, kept from who comes to the end': {
    file: 'reader/reader.ts',
    from: 'this.#announceReached(Infinity);',
    to: 'return;',
  },
  'the word that nothing is lost, before anybody has looked': {
    file: 'reader/reader.ts',
    from: 'const isResumed = isAtItsPlace && !isLost;',
    to: 'const isResumed = isAtItsPlace;',
  },
  'the word that all has come, while operators hold some of it': {
    file: 'reader/reader.ts',
    from: 'if (this.#unmodified === undefined && this.streams.arePending) return;',
    to: '',
  },
  'the word that all has come, while operators hold some of it that a gap, or the end of a stream, has covered':
    {
      file: 'reader/reader.ts',
      from: 'if (this.#operators?.holdMore === true) return;',
      to: '',
    },
};

/** Mistakes between the reader and the client. */
const ON_THE_WAY: Record<string, Mutation> = {
  'a heartbeat before what waits': {
    file: 'delivery/connection.ts',
    from: 'if (!this.#outbox.isEmpty) return;\n    const id = this.reader?.heartbeat();\n    this.#outbox.push(',
    to: 'const id = this.reader?.heartbeat();\n    this.#outbox.pushFirst(',
  },
  'a lost drain': {
    file: 'delivery/outbox.ts',
    from: 'if (--this.#crossings === 0 && !this.#isClosed) this.#owner.schedule();',
    to: 'this.#crossings--;',
  },
};

const KINDS = [IN_THE_READER, AT_THE_SEAM, AT_THE_ENDS, ON_THE_WAY];

/** `npm run check:mutations` has all of them, each of its processes a part; what the tests have are two. */
const { part } = globalThis as { part?: { readonly at: number; readonly of: number } };

function planted(): [string, Mutation][] {
  const all = KINDS.flatMap((kind) => Object.entries(kind));
  return part === undefined
    ? all.slice(0, 2)
    : all.filter((_, index) => index % part.of === part.at);
}

/** Some mistakes are come across in one run of thousands. */
const SEEDS = Array.from({ length: part === undefined ? 2_000 : 15_000 }, (_, index) => index + 1);

describe('The checker finds', () => {
  it.each(planted())('%s', async (name, mutation) => {
    const checked = withMutant(mutation, (core) =>
      name in ON_THE_WAY ? checkSockets(core, SEEDS.slice(0, 200)) : checkReader(core, SEEDS),
    );
    await expect(checked).rejects.toThrow(/^Seed \d+/);
  });

  it('each mistake where it was planted, those too that are left to `npm run check:mutations`', () => {
    for (const kind of KINDS) Object.values(kind).forEach(checkMutation);
  });

  it('nothing to test in a mutation whose text is gone', async () => {
    const stale = { file: 'reader/start.ts', from: 'what is not there', to: '' };
    await expect(withMutant(stale, async () => {})).rejects.toThrow('the mutation is stale');
  });
});
