import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { SseModule } from 'nestjs-event-stream';
import { resumableStreamStore, type RunStreamStore } from 'nestjs-event-stream/ai';
import { SseRuns, SseRunsModule } from 'nestjs-event-stream/runs';
import { LogLines } from '../support/log-lines.js';
import { vitestWithout } from './vitest-shim.js';

const THEIRS = '../../node_modules/assistant-stream/src/resumable';
const FILES = [
  'ResumableStreamContext.test.ts',
  'createResumableAssistantStreamResponse.test.ts',
  '__tests__/integration.test.ts',
  'stores/InMemoryResumableStreamStore.test.ts',
];

/** Of their tests those of their store in memory, and of nothing that the interface says. */
const OF_THEIR_STORE = [
  // Streams expire while they are written, by a clock that the test sets; here a run is kept while it is live.
  'does not sweep %i retained streams before an expiry is due',
  'honors a shorter per-stream TTL and reclaims capacity at the deadline',
  'keeps refreshed and finalized streams until their new deadlines',
  'wakes a waiting reader when its stream expires',
  'keeps a long TTL past the timer limit and expires at its full deadline',
  'expired streams are evicted on next access',
  'keeps a producer that outlived its TTL out of the stream a second run reacquired',
  'keeps a superseded producer out of a stream reacquired on the same instance',
  'gc sweeper evicts expired streams without explicit access',
  'dispose clears the gc interval',
  // By that clock a producer loses its stream to another; here it does by `delete`, see resumable-stream-store.spec.ts.
  'reports the superseded append through onError only',
  'reports a fenced done finalize through onError only',
  'does not report a fenced error finalize',
  'needs no particular error message from the store',
  // Its cursors are 1, 2, 3.
  'waits for updates without overflowing native timers with a long %s TTL',
  'delivers live updates to every reader and isolates cancellation',
  // Its bounds; here they are those of runs.
  'rejects append when chunk exceeds maxChunkBytes',
  'rejects append when stream reaches maxEntriesPerStream',
  'rejects acquire when active stream count exceeds maxStreams',
  'publishes append errors before source cancellation settles with %s',
  'awaits source cleanup when error finalization is %s',
];

let app: INestApplication;
let count = 0;
/** They make it tell of what goes wrong in them. */
const { error } = console;

beforeAll(async () => {
  console.error = () => {};
  const imports = [SseModule.forRoot(), SseRunsModule.forRoot({ drain: { runs: 'stop' } })];
  const module = await Test.createTestingModule({ imports }).setLogger(new LogLines()).compile();
  app = module.createNestApplication();
  await app.init();
});

afterAll(async () => {
  console.error = error;
  await app.close();
});

const titles = new Set<string>();
jest.unstable_mockModule(
  'vitest',
  () =>
    vitestWithout((title) => {
      titles.add(title);
      return OF_THEIR_STORE.includes(title);
    }),
  { virtual: true },
);
jest.unstable_mockModule(`${THEIRS}/stores/InMemoryResumableStreamStore`, () => ({
  createInMemoryResumableStreamStore: (): RunStreamStore & { dispose(): void } => {
    const store = resumableStreamStore(app.get(SseRuns), { prefix: `${count++}.` });
    return Object.assign(store, { dispose: () => {} });
  },
}));

for (const file of FILES) await import(`${THEIRS}/${file}`);

it('has left out none that is not there', () => {
  expect(OF_THEIR_STORE.filter((title) => !titles.has(title))).toEqual([]);
  expect(titles.size).toBeGreaterThan(OF_THEIR_STORE.length + 30);
});
