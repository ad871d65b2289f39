import { received, SseError } from '../errors.js';
import type { EventRecord } from '../log/entry.js';
import { toRecord } from '../log/event-record.js';
import type { Concealment } from '../log/json-faults.js';

/** Asks for a snapshot and checks its events; what goes wrong is a value, never a rejection. */
export async function readSnapshot(
  ask: () => unknown,
  topics: readonly string[],
  conceals: Concealment | undefined,
): Promise<readonly EventRecord[] | { readonly error: unknown }> {
  try {
    const events = await ask();
    if (!Array.isArray(events)) {
      throw new SseError(
        'BAD_EVENT',
        `A snapshot is an array of events: received ${received(events)}`,
      );
    }
    return events.map((event) => toRecord(topics, event, { conceals }));
  } catch (error) {
    return { error };
  }
}
