import type { Log } from '../log/log.js';
import type { ReaderStream } from './reader-stream.js';

/** The place before the oldest event that there may be for the streams, of this log. */
export function oldestOf(streams: readonly Pick<ReaderStream, 'topics'>[], log: Log): number {
  return streams.some(({ topics }) => topics.isKept) ? 0 : log.lost;
}
