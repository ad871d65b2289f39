import { isPart, type Part } from './parts.js';

/** What an instance tells the others of what it has registered. */
export interface Message {
  readonly by: string;
  /** Milliseconds for which it is believed. */
  readonly lease: number;
  /** Whether `add` is all that it has. */
  readonly all?: true;
  /** Of `all`, where that is too much for one message. */
  readonly part?: Part;
  /** Whether it asks the others for all that they have. */
  readonly ask?: true;
  /** Whether it has gone, with all that it had. */
  readonly left?: true;
  /** Name, value and, of what was registered before, when. */
  readonly add?: readonly (readonly [key: string, value: unknown, at?: number])[];
  readonly remove?: readonly string[];
}

/** Told what instances tell each other, in the log's order. */
export interface MessageObserver {
  /** @param at when it was ordered, in milliseconds since the Unix epoch */
  onMessage(data: unknown, at: number): void;
  /** Messages may be missing. */
  onGap(): void;
}

/** How instances tell each other what they have registered. */
export interface RegistryPort {
  /** Of this instance: no other one, and no later start of this one, has it. */
  readonly instance: string;
  /** Resolves when the message is in the log. */
  publish(message: Message): Promise<unknown>;
  listen(observer: MessageObserver): void;
}

/** Whether it is one that this version knows. */
export function isMessage(data: unknown): data is Message {
  if (typeof data !== 'object' || data === null) return false;
  const { by, lease, add, remove, part } = data as Record<string, unknown>;
  if (typeof by !== 'string' || typeof lease !== 'number' || !isPart(part)) return false;
  return areAdditions(add) && (remove === undefined || areAll(remove, isString));
}

function areAdditions(add: unknown): boolean {
  return add === undefined || areAll(add, (each) => Array.isArray(each) && isString(each[0]));
}

function areAll(list: unknown, are: (each: unknown) => boolean): boolean {
  return Array.isArray(list) && list.every(are);
}

function isString(value: unknown): boolean {
  return typeof value === 'string';
}
