import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { EventBus } from '../../dist/bus/event-bus.js';
import { Log } from '../../dist/log/log.js';
import { TurnScheduler } from '../../dist/log/turn-scheduler.js';
import { resolveOptions } from '../../dist/nest/options.js';
import { rows } from './rows.mjs';

const [, , name] = process.argv;
const { count, event, read, readers = 0 } = rows[name];
const { history, backplane } = resolveOptions();

Logger.overrideLogger(false);
const turn = new TurnScheduler();
const log = new Log(history, turn);
await backplane.open(log, history);
const bus = new EventBus(log, turn, backplane);
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

async function memory() {
  for (let round = 0; round < 3; round++) {
    await nextTurn();
    globalThis.gc();
  }
  const { heapUsed, external } = process.memoryUsage();
  return { heapUsed, external };
}

const before = await memory();
const subscriptions = Array.from({ length: readers }, () => read(bus).subscribe());
await nextTurn();
for (let n = 0; n < count; n++) {
  const published = bus.publish(...event(n)).catch(() => undefined);
  if (n % 50 === 0) await published.then(nextTurn);
}
for (const subscription of subscriptions) subscription.unsubscribe();
const after = await memory();
const result = {
  name,
  events: log.length,
  counted: log.bytes,
  heap: after.heapUsed - before.heapUsed,
  external: after.external - before.external,
  allowed: 1.5 * history.maxBytes + 20e6,
};
console.log(JSON.stringify(result));
process.exit(0);
