// A process that publishes for as long as it lives, and says what was acknowledged.
import { setTimeout as elapse } from 'node:timers/promises';
// Types only: a process that loads all of the package takes longer to start than it lives.
import type { EventRecord, LogSink } from 'nestjs-event-stream';
import { sqliteBackplane, type SqliteBackplaneOptions } from 'nestjs-event-stream/sqlite';

class Sink implements LogSink {
  epoch = '';
  head = 0;

  reset(epoch: string, offset: number): void {
    this.epoch = epoch;
    this.head = offset;
  }

  append(offset: number, _record: EventRecord): void {
    this.head = offset;
  }

  lose(offset: number): void {
    this.head = Math.max(this.head, offset);
  }
}

const { SQLITE_PUBLISHER = '{}' } = process.env;
const { name, ...options } = JSON.parse(SQLITE_PUBLISHER) as SqliteBackplaneOptions & {
  readonly name: string;
};
const backplane = sqliteBackplane(options);
await backplane.open(new Sink(), { maxEvents: 50_000, maxBytes: 2 ** 26, maxAge: false });
for (let number = 1; ;) {
  const burst = Array.from({ length: 1 + Math.floor(Math.random() * 20) }, async () => {
    const text = `${name}/${number++}`;
    const cursor = await backplane.publish({ topics: ['t'], text, isJson: false });
    process.stdout.write(`${text} ${cursor}\n`);
  });
  await Promise.all(burst);
  await elapse(Math.random() * 10);
}
