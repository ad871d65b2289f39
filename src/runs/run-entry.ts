import type { Entry, EventRecord } from '../log/entry.js';
import { toRecord } from '../log/event-record.js';
import type { RunEndData, RunEndStatus } from './run.js';
import { keptFor, REGISTRY_TOPIC, topicOf } from './run-topics.js';

/**
 * What instances tell each other of runs, in the order of the log, from which each comes to the same verdict: a claim
 * wins if no run of its id is live at its place, nor can be read there, but the one that it names; the first end of a
 * run is its end. See the decision record on runs.
 */
export type RunEntry =
  | {
      readonly kind: 'claim';
      readonly id: string;
      readonly token: string;
      readonly owner: string;
      readonly keepFor: number;
      /** Its owner's, in milliseconds, which others need not have. */
      readonly lease: number;
      /** The token of the run that may still be read, and that it takes the place of. */
      readonly over?: string | undefined;
      /** Of one that is said again, before it would leave the log: the first time that it was. */
      readonly since?: Since | undefined;
    }
  /** From here on the entries of a run have another token: what is under way with the one before counts for nothing. */
  | { readonly kind: 'token'; readonly token: string; readonly next: string }
  | { readonly kind: 'stop'; readonly token: string };

/** What has become of a claim, for who has not read it. */
export interface Since {
  readonly epoch: string;
  readonly offset: number;
  /** When, in milliseconds since the Unix epoch. */
  readonly at: number;
  readonly tokens: readonly RunToken[];
}

/** What entries of a run have in their keys, from a place on. */
export interface RunToken {
  readonly after: number;
  readonly token: string;
}

/** An end, as its entry says it, and what the run had emitted then. */
export interface EndEntry extends RunEndData {
  readonly token: string;
  readonly by: string;
  readonly events: number;
  readonly bytes: number;
}

const STATUSES: readonly RunEndStatus[] = ['done', 'failed', 'stopped', 'lost'];

/** An entry under the registry, and others; it is kept as the run that it speaks of. */
export function registryRecord(entry: RunEntry, ...topics: readonly string[]): EventRecord {
  return toRecord([REGISTRY_TOPIC, ...topics], { data: entry, key: `${keptFor(entry.token)}~` });
}

/** The last event of a run. What is none of its clients' business is in its key, which is not on the wire. */
export function endRecord(
  id: string,
  { status, error, token, by, events, bytes }: EndEntry,
): EventRecord {
  const text = JSON.stringify({ status, error } satisfies RunEndData);
  const key = [token, by, events, bytes].join('/');
  const topics = [topicOf(id), REGISTRY_TOPIC];
  return { topics, type: 'run-end', key, text, isJson: true };
}

export function parseEnd({ key = '', text }: Entry): EndEntry | undefined {
  const [token, by, events, bytes] = key.split('/');
  const data = parseObject(text);
  const status = STATUSES.find((each) => each === data['status']);
  if (token === undefined || by === undefined || status === undefined) return undefined;
  const { error } = data;
  const told = typeof error === 'string' ? { error } : {};
  return { status, ...told, token, by, events: Number(events), bytes: Number(bytes) };
}

/** Reads an entry; undefined for what another version may have meant by it. */
export function parseRunEntry({ text }: Entry): RunEntry | undefined {
  const { kind, id, token, owner, keepFor, lease, over, next, since } = parseObject(text);
  if (typeof token !== 'string') return undefined;
  if (kind === 'stop') return { kind, token };
  if (kind === 'token') return typeof next === 'string' ? { kind, token, next } : undefined;
  if (kind !== 'claim' || typeof id !== 'string' || typeof owner !== 'string') return undefined;
  if (typeof keepFor !== 'number' || typeof lease !== 'number') return undefined;
  const known = { over: over as string | undefined, since: since as Since | undefined };
  return { kind, id, token, owner, keepFor, lease, ...known };
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
