import { describe, expect, it } from '@jest/globals';
import { failureOf } from '../../src/sqlite/failures.js';

function sqliteError(code: string): Error {
  return Object.assign(new Error('what SQLite says'), { code });
}

describe('A commit that fails', () => {
  it.each(['SQLITE_IOERR', 'SQLITE_IOERR_FSYNC', 'ERR_OTHER'])(
    'may have happened all the same: %s',
    (code) => {
      const failure = failureOf(sqliteError(code), 'events.db', true);
      expect(failure.code).toBe('PUBLISH_OUTCOME_UNKNOWN');
      expect(failure.message).toContain('idempotencyKey');
    },
  );

  it.each(['SQLITE_FULL', 'SQLITE_BUSY', 'SQLITE_READONLY'])('has not happened: %s', (code) => {
    expect(failureOf(sqliteError(code), 'events.db', true).code).toBe('BACKPLANE_UNAVAILABLE');
  });

  it('is not meant where nothing was committed', () => {
    const failure = failureOf(sqliteError('SQLITE_IOERR'), 'events.db', false);
    expect(failure.code).toBe('BACKPLANE_UNAVAILABLE');
  });
});
