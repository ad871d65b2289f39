import { type BackplaneHealth, type Cursor, MemoryBackplane, SseError } from 'nestjs-event-stream';

/** Publishes fail, while they are to, as an unreachable broker lets them fail. */
export class FailingBackplane extends MemoryBackplane {
  isFailing = false;
  /** How far it says that the instance is behind, if not what is so. */
  lag: Partial<BackplaneHealth> = {};

  override get health(): BackplaneHealth {
    return { ...super.health, ...this.lag };
  }

  override publish(...given: Parameters<MemoryBackplane['publish']>): Promise<Cursor> {
    if (!this.isFailing) return super.publish(...given);
    return Promise.reject(new SseError('BACKPLANE_UNAVAILABLE', 'away'));
  }
}
