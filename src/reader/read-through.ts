import type { JoinedFrames, JoinedFramesCache } from '../wire/joined-frames.js';
import type { Entry } from '../log/entry.js';
import type { Outlet } from './sink.js';

/**
 * Sends all that a selection has after an offset, as it is, for as long as there is room; what is read
 * together goes out together. What is not for this client is left to its reader.
 *
 * @returns the offset that was reached
 */
export function readThrough(
  selection: { after(offset: number): Entry | undefined; retreat(): void },
  outlet: Outlet,
  cache: JoinedFramesCache,
  after: number,
): number {
  let reached = after;
  for (;;) {
    const { room } = outlet;
    let frames: JoinedFrames | undefined;
    while (frames === undefined ? room > 0 : frames.length < room) {
      const entry = selection.after(reached);
      if (entry === undefined) break;
      if (!entry.isForAll && !isFor(entry, outlet)) {
        if (frames !== undefined) outlet.send(frames);
        selection.retreat();
        return reached;
      }
      reached = entry.offset;
      frames = cache.join(frames, entry.frame);
    }
    if (frames === undefined) return reached;
    outlet.send(frames);
    if (frames.length < room) return reached;
  }
}

function isFor({ isEnd, except }: Entry, outlet: Outlet): boolean {
  return !isEnd && (except === undefined || outlet.isExcepted?.(except) !== true);
}
