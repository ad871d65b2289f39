import type { EventRecord } from './entry.js';

/** The type of an entry that is the end of its topics: nobody is sent it. */
export const TOPIC_END = '$complete';

/** What the log holds of the end of topics, in its order. */
export function topicEnd(topics: readonly string[]): EventRecord {
  return { topics, type: TOPIC_END, text: '', isJson: false };
}
