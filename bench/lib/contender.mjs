import { Child } from './ipc.mjs';

const LOAD = new URL('../load/load.mjs', import.meta.url);

/** One server under test with the clients that are connected to it, each in a process of its own. */
export class Contender {
  /** Reading clients. */
  readers = 0;
  #server;
  #load = new Child(LOAD);
  #port = 0;
  /** Events that each reader should have got. */
  #sent = 0;

  /**
   * @param {{ key: string, label: string, file?: string }} entry
   * @param {{ execArgv?: string[], args?: object }} [options]
   */
  constructor(entry, { execArgv = [], args = {} } = {}) {
    this.entry = entry;
    this.args = args;
    const file = new URL(`../servers/${entry.file ?? entry.key}.mjs`, import.meta.url);
    this.#server = new Child(file, { execArgv });
  }

  get key() {
    return this.entry.key;
  }

  async start() {
    ({ port: this.#port } = await this.#server.call('start', this.args));
    return this;
  }

  /** @param {{ clients: number, pathOf?: (i: number) => string, lastEventId?: string, atOnce?: boolean }} how */
  async connect({ clients, pathOf = () => '/all', ...how }) {
    const paths = Array.from({ length: clients }, (_, i) => pathOf(i));
    await this.#load.call('connect', { port: this.#port, paths, ...how });
    this.readers += clients;
  }

  ask(name, args) {
    return this.#server.call(name, args);
  }

  /**
   * Publishes `count` events to each of the topics in one turn and waits until all readers have them.
   *
   * @param {{ topics?: string[], count?: number, size?: number, takers?: number }} work
   */
  async tick({ topics = ['all'], count = 1, size, takers = this.readers }) {
    this.#server.send('tick', { topics, count, size });
    this.#sent += count;
    await this.until(count * takers);
  }

  async until(count, timeout = 20_000) {
    if (await this.#load.call('until', { count, timeout })) return;
    throw new Error(`${this.entry.label}: events are missing after ${timeout / 1_000} s`);
  }

  /** Milliseconds from when events were due at that rate to their arrival, as percentiles. */
  async latency({ perSecond, seconds }) {
    const count = Math.round(perSecond * seconds);
    await this.#load.call('record', { events: count });
    const times = await this.#server.call('rate', { topic: 'all', perSecond, count });
    this.#sent += count;
    const isComplete = await this.#load.call('until', {
      count: count * this.readers,
      timeout: 2_000,
    });
    return { ...(await this.#load.call('latencies', { times })), isComplete };
  }

  /** Requests that are not SSE. */
  request(work) {
    return this.#load.call('requests', { port: this.#port, ...work });
  }

  /** Clients that never read what they are sent, until the kernel takes no more for them. */
  async connectStalled({ clients, events, size }) {
    await this.connect({ clients });
    await this.#load.call('stopReading', { count: clients });
    this.readers -= clients;
    for (let i = 0; i < events; i++) {
      this.#server.send('tick', { topics: ['all'], count: 1, size });
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Milliseconds of the server's CPU that `work` takes. */
  async cpuOf(work) {
    const before = await this.#server.call('cpu');
    await work();
    return (await this.#server.call('cpu')) - before;
  }

  /** Every reader got every event, or this throws. */
  async check(events = this.#sent) {
    const { clients, wrong } = await this.#load.call('check', { events });
    if (wrong > 0) throw new Error(`${this.entry.label}: ${wrong} of ${clients} lost or repeated`);
  }

  async disconnect() {
    await this.#load.call('close');
    this.readers = this.#sent = 0;
  }

  async stop() {
    await this.#load.call('close').catch(() => {});
    await Promise.all([this.#load.stop(), this.#server.stop()]);
  }
}
