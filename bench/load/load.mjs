import { answerCalls, clock } from '../lib/ipc.mjs';
import { percentiles } from '../lib/stats.mjs';
import { Client } from './client.mjs';
import { requestInLoop } from './requests.mjs';

/** Connections that are being opened at the same time, unless they are meant to come all at once. */
const WAVE = 200;
/** One client in so many looks at the numbers of its events too. */
const SAMPLE = 25;

/** @type {Client[]} */
let clients = [];
/** Events that all clients together have got. */
let total = 0;
let awaited = Infinity;
let onReached = () => {};
/** When each reading client got each event, while that is recorded. @type {Map<Client, Float64Array>} */
let arrivals = new Map();
let firstRecorded = 0;

function onEvents(client, from) {
  total += client.received - from;
  if (arrivals.size > 0) {
    const now = clock();
    arrivals.get(client)?.fill(now, from - firstRecorded, client.received - firstRecorded);
  }
  if (total >= awaited) onReached();
}

answerCalls({
  /** Opens one client for each path; answers when all have their headers. */
  async connect({ port, paths, lastEventId, atOnce = false }) {
    const wave = atOnce ? paths.length : WAVE;
    for (let i = 0; i < paths.length; i += wave) {
      const opened = paths.slice(i, i + wave).map((path) => {
        const checksOrder = clients.length % SAMPLE === 0;
        const client = new Client({ port, path, lastEventId, checksOrder }, onEvents);
        clients.push(client);
        return client.opened;
      });
      await Promise.all(opened);
    }
  },

  /** Answers when the clients together have got `count` more events than when this was called last. */
  until({ count, timeout = 20_000 }) {
    awaited = awaited === Infinity ? count : awaited + count;
    if (total >= awaited) return true;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        onReached = () => {};
        resolve(false);
      }, timeout);
      onReached = () => {
        clearTimeout(timer);
        onReached = () => {};
        resolve(true);
      };
    });
  },

  /** Whether each of the reading clients got exactly so many events in all, and the sampled ones in order. */
  check({ events }) {
    const reading = clients.filter(({ isReading }) => isReading);
    const wrong = reading.filter(({ received, isOrdered }) => received !== events || !isOrdered);
    return { clients: reading.length, wrong: wrong.length };
  },

  stopReading({ count }) {
    for (const client of clients.slice(0, count)) client.stopReading();
  },

  record({ events }) {
    const reading = clients.filter(({ isReading }) => isReading);
    firstRecorded = reading[0].received;
    arrivals = new Map(reading.map((client) => [client, new Float64Array(events)]));
  },

  /** Milliseconds between the times at which events were due and their arrivals, as percentiles. */
  latencies({ times }) {
    const all = new Float64Array(arrivals.size * times.length);
    let next = 0;
    for (const arrived of arrivals.values()) {
      // What never came took for ever.
      times.forEach((due, i) => (all[next++] = arrived[i] === 0 ? Infinity : arrived[i] - due));
    }
    arrivals = new Map();
    return percentiles(all);
  },

  requests: (args) => requestInLoop(args),

  close() {
    for (const client of clients) client.close();
    clients = [];
    total = 0;
    awaited = Infinity;
  },
});
