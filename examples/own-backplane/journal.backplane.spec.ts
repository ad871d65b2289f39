import { PassThrough } from 'node:stream';
import { describe, it } from '@jest/globals';
import { backplaneConformance } from 'nestjs-event-stream/testing';
import { JournalBackplane } from './journal.backplane.js';

describe('the journal', () => {
  // All instances that one set-up gives belong to one log: what is in memory has one.
  const checks = backplaneConformance(() => ({
    instance: () => new JournalBackplane(new PassThrough().resume()),
  }));
  for (const { name, run } of checks) it(name, run);
});
