import { describe, it } from '@jest/globals';
import { Controller, type MessageEvent, Sse } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import { sqliteBackplane } from 'nestjs-event-stream/sqlite';
import type { Observable } from 'rxjs';
import { onExpress } from '../support/each-adapter.js';
import { restartInTurn } from '../support/rolling-restart.js';
import { temporaryPaths } from './support/folder.js';

@Controller()
class NewsController {
  constructor(private readonly bus: EventBus) {}

  @Sse('topics/news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }
}

describe('a rolling restart of instances that share a file', () => {
  const newPath = temporaryPaths();
  const bench = onExpress();

  it('loses nothing and repeats nothing', async () => {
    const path = newPath();
    await restartInTurn(() =>
      bench.start({
        controllers: [NewsController],
        sse: { backplane: sqliteBackplane({ path }), drain: { over: 400 } },
      }),
    );
  }, 20_000);
});
