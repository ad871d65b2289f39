import { Logger } from '@nestjs/common';
import type { Backplane, Cursor, History, PublishOptions } from 'nestjs-event-stream';
import { redisBackplane, type RedisBackplaneOptions } from 'nestjs-event-stream/redis';
import { RecordingSink } from '../../../src/testing/recording-sink.js';

const HISTORY: History = { maxEvents: 1_000, maxBytes: 10_000_000, maxAge: false };

/** An instance without HTTP: a backplane, and what its log was told. */
export class Replica {
  readonly sink = new RecordingSink(10_000);
  readonly backplane: Backplane;

  private constructor(options: RedisBackplaneOptions) {
    this.backplane = redisBackplane({ publishTimeout: 1_000, checkInterval: 100, ...options });
    this.backplane.logger = new Logger('RedisBackplane');
  }

  static async open(
    options: RedisBackplaneOptions,
    history: Partial<History> = {},
  ): Promise<Replica> {
    const replica = new Replica(options);
    await replica.backplane.open(replica.sink, { ...HISTORY, ...history });
    return replica;
  }

  publish(text: string, options?: PublishOptions): Promise<Cursor> {
    return this.backplane.publish({ topics: ['t'], text, isJson: false }, options);
  }

  /** Waits for an event that holds this text. */
  async received(text: string): Promise<void> {
    await this.sink.until(`'${text}' arrives`, () => this.texts.includes(text));
  }

  /** What the log got since the last reset. */
  get texts(): string[] {
    return [...this.sink.held.values()];
  }

  /** How often it was told of a loss: another log, or a hole. */
  get losses(): number {
    return this.sink.calls.filter(({ kind }) => kind !== 'append').length - 1;
  }
}
