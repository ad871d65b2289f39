import { expect, it } from '@jest/globals';
import { Controller, type MessageEvent, Res, Sse } from '@nestjs/common';
import { type Observable, of } from 'rxjs';
import { SseConnections } from 'nestjs-event-stream';
import { onExpress } from '../support/each-adapter.js';

@Controller()
class Routes {
  @Sse('refused')
  refused(
    @Res({ passthrough: true }) response: { statusMessage: string },
  ): Observable<MessageEvent> {
    response.statusMessage = 'not\nallowed';
    return of({ data: 'x' });
  }
}

const bench = onExpress();

it('ends a connection whose headers Node refuses once, as an error that Nest answers', async () => {
  const app = await bench.start({ controllers: [Routes] });
  const client = await bench.connect(app, '/refused');
  expect(client.status).toBe(500);
  await client.closed;
  expect(app.get(SseConnections).ended).toMatchObject({ error: 1, complete: 0 });
});
