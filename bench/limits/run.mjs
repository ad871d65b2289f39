// What a limit costs a connect, through the class that counts them, on one instance and on one of several that hears what the
// others tell: connections of many owners that all stay, and of one owner who is over the limit with each. A connect
// costs the same whether 1,000 come or 10,000, the first of them as the last: nothing is scanned.
// `npm run build`, then `node bench/limits/run.mjs`.
import { setTimeout as elapse } from 'node:timers/promises';
import { Limits } from '../../dist/control/limits.js';

const COUNTS = [1_000, 10_000];
const RUNS = 20;

/** A log of one instance, and of another one that has a connection in the place of each of its connections. */
class Port {
  instance = 'bench';
  heard = 0;
  #observer;

  constructor(withOther) {
    this.withOther = withOther;
  }

  listen(observer) {
    this.#observer = observer;
  }

  async publish(message) {
    const add = message.add?.map(([key, value]) => [key, value]);
    const told = JSON.parse(JSON.stringify({ ...message, add }));
    setImmediate(() => this.#deliver(told));
  }

  #deliver(message) {
    if (this.withOther)
      this.#observer.onMessage({ ...message, by: 'other', all: true, ask: undefined }, this.heard);
    this.#observer.onMessage(message, this.heard);
    this.heard += message.add?.length ?? 0;
  }
}

function connect(limits, owner, n) {
  const remoteAddress = `10.0.${n >> 8}.${n & 255}`;
  const connection = { owner, remoteAddress, isEnded: false };
  connection.end = () => {
    connection.isEnded = true;
    limits.release(connection);
  };
  limits.admit(connection);
}

/** Microseconds of processor time for a connect, all that follows from it included. */
async function measure(count, ownerOf, then, port) {
  const limits = new Limits({ perOwner: 5, perAddress: 100, then, lease: 60_000 }, port);
  const before = process.cpuUsage();
  for (let n = 0; n < count; n++) connect(limits, ownerOf(n), n);
  if (port !== undefined) {
    // What has ended before it was told is told by nobody.
    for (let heard = -1; heard !== port.heard || heard === 0; await elapse(30)) heard = port.heard;
  }
  const { user, system } = process.cpuUsage(before);
  await limits.close();
  return (user + system) / count;
}

const medianOf = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

for (const [name, ownerOf, then] of [
  ['connections of many owners that stay', (n) => `user-${n >> 2}`, 'closeOldest'],
  ['one owner, each in the place of the oldest', () => 'ada', 'closeOldest'],
  ['one owner, all but the first refused', () => 'ada', 'refuse'],
]) {
  for (const [where, makePort] of [
    ['one instance', () => undefined],
    ['one of two instances', () => new Port(true)],
  ]) {
    const medians = [];
    for (const count of COUNTS) {
      const runs = [];
      for (let run = 0; run < RUNS; run++)
        runs.push(await measure(count, ownerOf, then, makePort()));
      // The first runs are for the compiler.
      medians.push(medianOf(runs.slice(RUNS / 4)));
    }
    const [few, many] = medians.map((each) => each.toFixed(2));
    console.log(`${name}, ${where}: ${few} µs a connect of 1,000, ${many} µs a connect of 10,000`);
  }
}
