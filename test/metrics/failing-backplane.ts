import { type Cursor, MemoryBackplane, SseError } from 'nestjs-event-stream';

/** Publishes fail, while they are to, as an unreachable broker lets them fail. */
export class FailingBackplane extends MemoryBackplane {
  isFailing = false;

  override publish(...given: Parameters<MemoryBackplane['publish']>): Promise<Cursor> {
    if (!this.isFailing) return super.publish(...given);
    return Promise.reject(new SseError('BACKPLANE_UNAVAILABLE', 'away'));
  }
}
