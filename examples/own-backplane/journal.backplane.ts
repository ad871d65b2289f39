import type { Writable } from 'node:stream';
import {
  type Cursor,
  type EventRecord,
  MemoryBackplane,
  type PublishOptions,
} from 'nestjs-event-stream';

/** The log in memory, of which each event is written down as well: a line of JSON, in the order of the log. */
export class JournalBackplane extends MemoryBackplane {
  constructor(private readonly journal: Writable) {
    super();
  }

  override async publish(record: EventRecord, options?: PublishOptions): Promise<Cursor> {
    const id = await super.publish(record, options);
    const { topics, type, text } = record;
    this.journal.write(`${JSON.stringify({ id, topics, type, text })}\n`);
    return id;
  }
}
