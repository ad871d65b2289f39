import { expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { LogLines } from '../support/log-lines.js';
import { NestInternals } from '../../src/nest/internals/nest-internals.js';

it('says at start, once, that Nest before 11.1.20 cannot hold headers back', () => {
  const logs = new LogLines();
  Logger.overrideLogger(logs);
  try {
    const missing = ['commitHeaders', 'headersCommitted'];
    const internals = new NestInternals({
      chain: { handsOnUnchanged: () => false },
      isFollowed: true,
      missingInStream: missing,
      enhanceRoutes: () => {},
      isAwaited: () => false,
    });
    expect(internals.holdsResponses).toBe(false);
    expect(logs.lines).toHaveLength(1);
    expect(logs.find('warn', 'Update @nestjs/core to 11.1.20')).toHaveLength(1);
  } finally {
    Logger.overrideLogger(['log', 'error', 'warn']);
  }
});
