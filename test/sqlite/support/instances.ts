import { afterEach } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { Backplane, Cursor, History, PublishOptions } from 'nestjs-event-stream';
import { sqliteBackplane, type SqliteBackplaneOptions } from 'nestjs-event-stream/sqlite';
import { RecordingSink } from '../../../src/testing/recording-sink.js';

const HISTORY: History = { maxEvents: 50_000, maxBytes: 64 * 2 ** 20, maxAge: false };

export interface Instance {
  readonly backplane: Backplane;
  readonly sink: RecordingSink;
  publish(text: string, options?: PublishOptions): Promise<Cursor>;
}

type Open = (options: SqliteBackplaneOptions, history?: Partial<History>) => Promise<Instance>;

/** A function that opens instances, which are closed after the test. */
export function instances(): Open {
  const opened: Backplane[] = [];
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((backplane) => backplane.close()));
  });
  return async (options, history = {}) => {
    const backplane = sqliteBackplane(options);
    backplane.logger = new Logger('SqliteBackplane');
    opened.push(backplane);
    const sink = new RecordingSink(10_000);
    await backplane.open(sink, { ...HISTORY, ...history });
    return {
      backplane,
      sink,
      publish: (text, published) =>
        backplane.publish({ topics: ['t'], text, isJson: false }, published),
    };
  };
}
