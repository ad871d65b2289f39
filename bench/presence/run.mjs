// What presence costs: 10,000 owners of one room told by name, the same told only as a number, and 10,000 rooms with one
// owner each; on one instance, and on two that share a log. The first thousand and the last show that nothing is scanned.
// `npm run build`, then `node bench/presence/run.mjs`.
import { setTimeout as elapse } from 'node:timers/promises';
import { EventBus } from '../../dist/bus/event-bus.js';
import { Backplane, MemoryBackplane } from '../../dist/index.js';
import { Log } from '../../dist/log/log.js';
import { TurnScheduler } from '../../dist/log/turn-scheduler.js';
import { presenceOptions } from '../../dist/presence/presence-options.js';
import { Reception } from '../../dist/presence/reception.js';

const OWNERS = 10_000;
const BATCH = 1_000;
const RUNS = Number(process.env.RUNS ?? 5);
const NAMED = { maxMembers: 2 * OWNERS };
const history = { maxEvents: 200_000, maxBytes: 2 ** 28, maxAge: false };

/** What orders the log of several instances in one process, at no cost. */
class Broker {
  sinks = new Set();
  records = [];
  keys = new Map();
}

class SharedBackplane extends Backplane {
  #broker;
  #sink;
  health = { isConnected: true, lastReadAt: new Date(), lagEvents: 0, lagMs: 0 };

  constructor(broker) {
    super();
    this.#broker = broker;
  }

  async open(sink) {
    sink.reset('bench', 0);
    for (const [index, record] of this.#broker.records.entries()) sink.append(index + 1, record);
    this.#sink = sink;
    this.#broker.sinks.add(sink);
  }

  async publish(record, { idempotencyKey } = {}) {
    const { keys, records, sinks } = this.#broker;
    const known = idempotencyKey && keys.get(idempotencyKey);
    if (known) return known;
    const offset = records.push(record);
    const cursor = `bench.${offset}`;
    if (idempotencyKey) keys.set(idempotencyKey, cursor);
    for (const sink of sinks) sink.append(offset, record);
    return cursor;
  }

  async catchUp() {}

  async close() {
    this.#broker.sinks.delete(this.#sink);
  }
}

async function startInstance(name, backplane, options) {
  const turn = new TurnScheduler();
  const log = new Log(history, turn);
  await backplane.open(log, history);
  const bus = new EventBus(log, turn, backplane, () => []);
  const connections = { instance: name, attendance: undefined };
  const resolved = { history, identify: () => ({}), maxEventBytes: 2 ** 20 };
  const statistics = { bus, connections, log, backplane, turn, options: resolved };
  const given = { topics: ['room.**'], grace: 0, ...options };
  const reception = new Reception(statistics, presenceOptions(given, 0));
  return { log, connections, reception };
}

async function startAll(count, options) {
  if (count === 1) return [await startInstance('one', new MemoryBackplane(), options)];
  const broker = new Broker();
  const starting = ['one', 'two'].map((name) =>
    startInstance(name, new SharedBackplane(broker), options),
  );
  return Promise.all(starting);
}

async function until(isSo) {
  while (!isSo()) await elapse(5);
}

const told = ({ reception: { roster } }) =>
  [...roster.rooms.values()].reduce((sum, { count, size }) => sum + (count ?? size), 0);

/** Microseconds of processor time for each of what is done, in batches, until all instances have heard of it. */
async function inBatches(act, isHeard) {
  const costs = [];
  for (let from = 0; from < OWNERS; from += BATCH) {
    const before = process.cpuUsage();
    for (let n = from; n < from + BATCH; n++) act(n);
    await until(() => isHeard(from + BATCH));
    const { user, system } = process.cpuUsage(before);
    costs.push((user + system) / BATCH);
  }
  return costs;
}

function snapshotCost({ reception: { roster } }) {
  const before = performance.now();
  const events = [...roster.rooms.values()].map(({ members }) => JSON.stringify(members));
  return { milliseconds: performance.now() - before, bytes: events.join('').length };
}

async function measure(instances, topicOf, options) {
  const all = await startAll(instances, options);
  await elapse(50);
  const [{ log, reception, connections }] = all;
  const { length: entries, bytes } = log;
  const topics = Array.from({ length: OWNERS }, (_, n) => topicOf(n));
  const visits = topics.map((topic, n) => ({
    owner: `user-${n}`,
    tags: [],
    topics: [topic],
    isEnded: false,
  }));
  const isCounted = options.maxMembers === undefined && topics[0] === topics[1];
  const here = () => [...new Set(topics)].reduce((sum, topic) => sum + reception.count(topic), 0);
  // Of a counted room nothing more is told; what is waited for is that the instances know of each other's.
  const areSo = (count) =>
    isCounted
      ? all.every((each) => each.reception.count(topics[0]) === count)
      : all.every((each) => told(each) === count);
  const joins = await inBatches((n) => connections.attendance.update(visits[n]), areSo);
  if (here() !== OWNERS) throw new Error(`${here()} of ${OWNERS} are there`);
  const perJoin = { entries: log.length - entries, bytes: log.bytes - bytes };
  const snapshot = snapshotCost(all.at(-1));
  const leaves = await inBatches(
    (n) => connections.attendance.release(visits[n]),
    (count) => areSo(OWNERS - count),
  );
  for (const each of all) await each.reception.close();
  return { joins, leaves, perJoin, snapshot };
}

const medianOf = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

function describe(runs, which) {
  // The first run is for the compiler.
  const settled = runs.slice(1).map((run) => run[which]);
  const batches = settled[0].map((_, at) => medianOf(settled.map((run) => run[at])));
  const mean = batches.reduce((sum, each) => sum + each, 0) / batches.length;
  const [first, last] = [batches[0], batches.at(-1)].map((each) => each.toFixed(1));
  return `${mean.toFixed(1)} µs (first thousand ${first}, last ${last})`;
}

for (const [name, topicOf, options] of [
  ['10,000 members of a room, by name', () => 'room.1', NAMED],
  ['10,000 members of a room, counted', () => 'room.1', {}],
  ['10,000 rooms of one member', (n) => `room.${n}`, {}],
]) {
  for (const instances of [1, 2]) {
    const runs = [];
    for (let run = 0; run <= RUNS; run++) runs.push(await measure(instances, topicOf, options));
    const { perJoin, snapshot } = runs.at(-1);
    const { entries, bytes } = perJoin;
    console.log(`${name}, ${instances === 1 ? 'one instance' : 'two instances'}`);
    console.log(`  a join ${describe(runs, 'joins')}, a leave ${describe(runs, 'leaves')}`);
    console.log(
      `  in the log, for a join: ${(entries / OWNERS).toFixed(2)} entries, ${Math.round(bytes / OWNERS)} bytes; ` +
        `all members: ${snapshot.bytes} bytes in ${snapshot.milliseconds.toFixed(1)} ms`,
    );
  }
}
