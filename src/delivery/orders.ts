import { received, SseError } from '../errors.js';
import { isBefore, type StreamPosition } from '../log/cursor.js';
import type { Log } from '../log/log.js';
import type { ConnectionInfo } from './connection-info.js';

/** The topic of the log that orders to end connections lie under, for every instance. */
export const ORDERS_TOPIC = '$connections';

/** Which connections are meant, of all instances: exactly one of these. */
export type ConnectionTarget =
  /** Those of an owner, as `identify` names it. */
  | { readonly owner: string }
  /** Those on which a stream names this topic; matchers do not count. */
  | { readonly topic: string }
  | { readonly tag: string }
  /** One of them, by `ConnectionInfo.id`. */
  | { readonly id: string };

type Name = 'owner' | 'topic' | 'tag' | 'id';
const NAMES: readonly Name[] = ['owner', 'topic', 'tag', 'id'];

/** Ends connections on every instance that were opened before it. */
export interface Order {
  readonly name: Name;
  readonly value: string;
  /** What their end counts as. */
  readonly reason: 'closed' | 'expired';
}

/** An order, and where it is in the log. */
export interface OrderInLog extends Order {
  readonly position: StreamPosition;
}

/** Makes orders known to every instance. */
export interface OrderPort {
  /** Resolves when the order is in the log. */
  publish(order: Order): Promise<void>;
}

/** Whether an order means this connection, of those that were opened before it. */
export function isMeant(
  { name, value }: Order,
  { owner, topics, tags, id }: ConnectionInfo,
): boolean {
  switch (name) {
    case 'owner':
      return owner === value;
    case 'topic':
      return topics.includes(value);
    case 'tag':
      return tags.includes(value);
    case 'id':
      return id === value;
  }
}

/** @throws SseError `BAD_OPTION` */
export function orderFor(target: unknown, reason: Order['reason'], source: string): Order {
  const given = typeof target === 'object' && target !== null ? Object.entries(target) : [];
  const [[name, value] = []] = given;
  const known = NAMES.find((each) => each === name);
  if (given.length !== 1 || known === undefined || typeof value !== 'string' || value === '') {
    throw new SseError(
      'BAD_OPTION',
      `${source} takes { owner }, { topic }, { tag } or { id }, exactly one, a non-empty string; received ` +
        (given.length === 0
          ? received(target)
          : given.map(([key, each]) => `${key}: ${received(each)}`).join(', ')),
    );
  }
  return { name: known, value, reason };
}

/** The orders that this instance has read, as far as its log holds them. */
export class Orders {
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Where the log is now: a connection that arrives now was opened before every later order. */
  get position(): StreamPosition {
    return { epoch: this.#log.epoch, offset: this.#log.head };
  }

  /** Whether the log is where it was. */
  isAt({ epoch, offset }: StreamPosition): boolean {
    return offset === this.#log.head && epoch === this.#log.epoch;
  }

  /** Whether orders after a position may have been lost. */
  haveLost({ epoch, offset }: StreamPosition): boolean {
    const { lost } = this.#log.indexOf(ORDERS_TOPIC);
    return epoch !== this.#log.epoch || lost > offset || this.#log.holeAfter(offset) !== undefined;
  }

  /** The orders after a position, as far as this version knows them; undefined for each that it does not. */
  *after({ epoch, offset }: StreamPosition): Iterable<OrderInLog | undefined> {
    const { entries } = this.#log.indexOf(ORDERS_TOPIC);
    const isSameLog = epoch === this.#log.epoch;
    for (let position = entries.seek(isSameLog ? offset : 0); ; position++) {
      const entry = entries.at(position);
      if (entry === undefined) return;
      const order = parseOrder(JSON.parse(entry.text));
      yield order && { ...order, position: { epoch: this.#log.epoch, offset: entry.offset } };
    }
  }

  /**
   * Why a connection has to end that arrived at a position, for what was ordered since; undefined if it need not.
   *
   * @param info read only if there is an order at all
   */
  reasonToEnd(arrival: StreamPosition, info: () => ConnectionInfo): Order['reason'] | undefined {
    // What may have been ordered is gone: the guards are asked anew.
    if (this.haveLost(arrival)) return 'expired';
    for (const order of this.after(arrival)) {
      if (order !== undefined && isMeant(order, info())) return order.reason;
    }
    return undefined;
  }
}

/** Reads an order; undefined for what another version may have meant by it. */
export function parseOrder(data: unknown): Order | undefined {
  if (typeof data !== 'object' || data === null) return undefined;
  const { name, value, reason } = data as Record<string, unknown>;
  const known = NAMES.find((each) => each === name);
  if (known === undefined || typeof value !== 'string') return undefined;
  return reason === 'closed' || reason === 'expired' ? { name: known, value, reason } : undefined;
}

/** Whether a connection that arrived at a position was opened before an order. */
export function precedes(arrival: StreamPosition, { position }: OrderInLog): boolean {
  return isBefore(arrival, position);
}
