import { SseError } from '../errors.js';
import { parseCursor } from '../log/cursor.js';
import type { Entry } from '../log/entry.js';
import { isInternal } from '../log/internal-topics.js';
import { RetentionRules } from '../log/retention.js';
import type { TopicIndex } from '../log/topic-index.js';
import type { Connection } from '../delivery/connection.js';
import { orderFor, ORDERS_TOPIC } from '../delivery/orders.js';
import type { Statistics } from '../nest/statistics.js';
import { Instances } from './instances.js';
import { RecentEnds } from './recent-ends.js';
import type { RunList } from './runs.js';

/** Rows of a table at most: whoever looks for one of more searches. */
const ROWS = 200;
/** Events of the log that are shown at a time. */
const TAIL = 100;
/** Characters of an event's data. */
const DATA = 2_000;

/** Reads what the page shows, and does what it asks for. */
export class Inspection {
  readonly #statistics: Statistics;
  readonly #rules: RetentionRules;
  readonly #ends: RecentEnds;
  readonly #instances: Instances;
  #runs: RunList | undefined;

  constructor(statistics: Statistics) {
    this.#statistics = statistics;
    this.#rules = new RetentionRules(statistics.options.history.topics);
    this.#ends = new RecentEnds(statistics.connections.ends);
    this.#instances = new Instances(statistics);
  }

  /** @throws SseError `BAD_OPTION` for what knows of no runs */
  showRuns(runs: Partial<RunList> | undefined): void {
    if (typeof runs?.list !== 'function') {
      throw new SseError(
        'BAD_OPTION',
        'SseInspectorModule: runs has to be SseRuns of nestjs-event-stream/runs',
      );
    }
    this.#runs = runs as RunList;
  }

  /**
   * @param find what owners, topics, routes and paths are searched for
   * @param after the cursor up to which the page has the log
   */
  async state(find: string, after: string | undefined): Promise<object> {
    const { connections, log, backplane } = this.#statistics;
    this.#instances.ask();
    const { isConnected, lagEvents, lagMs } = backplane.health;
    return {
      instance: connections.instance,
      instances: this.#instances.all,
      backplane: { name: backplane.constructor.name, isConnected, lagEvents, lagMs },
      log: { head: log.cursorAt(log.head), events: log.length, bytes: log.bytes },
      isDraining: connections.isDraining,
      delivered: connections.cache.delivered,
      connections: this.#connections(find.toLowerCase()),
      topics: this.#topics(find.toLowerCase()),
      tail: this.#tail(after),
      ended: connections.ended,
      gaps: connections.gaps,
      resumes: connections.resumes,
      ends: this.#ends.all,
      runs: this.#runsFound(find.toLowerCase()),
    };
  }

  /** @throws SseError what `EventBus.publish` throws */
  async publish(body: unknown): Promise<object> {
    const { topic, type, key, data } = fieldsOf(body);
    const event = { type, key, data } as { type?: string; key?: string; data: unknown };
    const given = Object.fromEntries(
      Object.entries(event).filter(([, value]) => value !== undefined),
    );
    return { cursor: await this.#statistics.bus.publish(topic as string, given as typeof event) };
  }

  /** @throws SseError `BAD_OPTION` */
  async closeOne(body: unknown): Promise<object> {
    const { id } = fieldsOf(body);
    const order = orderFor({ id }, 'closed', 'The inspector');
    return { cursor: await this.#statistics.bus.publishInternal(ORDERS_TOPIC, order) };
  }

  close(): void {
    this.#ends.close();
    this.#instances.close();
  }

  #connections(find: string): object {
    const all = this.#statistics.connections.connections;
    const rows: object[] = [];
    for (const connection of all) {
      if (rows.length === ROWS) break;
      const { info } = connection;
      const { id, owner = '', route, path, topics, tags } = info;
      if (isFound(find, [id, owner, route, path, ...topics, ...tags])) {
        rows.push({ ...info, behind: this.#eventsBehind(connection) });
      }
    }
    return { total: all.size, rows };
  }

  /** Events of the log, of whichever topics, that a client which does not keep up has yet to be read. */
  #eventsBehind({ isBehind, reader }: Connection): number {
    const { epoch, head } = this.#statistics.log;
    const position = isBehind ? parseCursor(reader?.cursor ?? '') : undefined;
    return position?.epoch === epoch ? head - position.offset : 0;
  }

  #topics(find: string): object {
    const rows: object[] = [];
    let total = 0;
    for (const index of this.#statistics.log.topicIndexes) {
      const [name = ''] = index.names;
      if (isInternal(name)) continue;
      total++;
      if (rows.length < ROWS && isFound(find, [name])) rows.push(this.#topicOf(name, index));
    }
    return { total, rows };
  }

  #topicOf(name: string, { entries, observer }: TopicIndex): object {
    const retention = this.#rules.of(name);
    const { newest } = entries;
    return {
      name,
      events: entries.length,
      isRead: observer !== undefined,
      lastAt: newest?.publishedAt,
      retention,
    };
  }

  #runsFound(find: string): object | undefined {
    const all = this.#runs?.list();
    return all?.filter(({ id, status }) => isFound(find, [id, status])).slice(-ROWS);
  }

  /** What came after a cursor; `isCut` if there is more than is shown, and the page has not seen it. */
  #tail(after: string | undefined): object {
    const { log } = this.#statistics;
    const position = after === undefined ? undefined : parseCursor(after);
    const known = position?.epoch === log.epoch ? position.offset : 0;
    const entries = [...log.entriesAfter(Math.max(known, log.head - TAIL * 2))];
    const shown = entries.filter(({ topics }) => !topics.some(isInternal));
    return {
      isCut: position !== undefined && (shown.length > TAIL || log.head - known > TAIL * 2),
      events: shown.slice(-TAIL).map((entry) => rowOf(entry, log.cursorAt(entry.offset))),
    };
  }
}

function rowOf({ topics, type, key, text, frame, publishedAt }: Entry, cursor: string): object {
  return {
    cursor,
    topics,
    type,
    key,
    at: publishedAt,
    bytes: frame.length,
    text: text.slice(0, DATA),
  };
}

function isFound(find: string, texts: readonly string[]): boolean {
  return find === '' || texts.some((text) => text.toLowerCase().includes(find));
}

function fieldsOf(body: unknown): Readonly<Record<string, unknown>> {
  if (typeof body === 'object' && body !== null) return body as Record<string, unknown>;
  throw new SseError(
    'BAD_OPTION',
    'The body has not been read as JSON: the inspector needs the body parser of the application',
  );
}
