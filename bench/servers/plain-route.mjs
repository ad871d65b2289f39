import 'reflect-metadata';
import { Controller, Get, Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { decorate, listenNest } from '../lib/nest.mjs';
import { serve } from '../lib/serve.mjs';

/** A Nest application with a route that has nothing to do with SSE, with and without SseModule. */
class PlainController {
  plain() {
    return { plain: true };
  }
}
decorate(PlainController, Controller(), { plain: [Get('plain')] });

class AppModule {}

serve(async ({ hasSse }) => {
  const imports = hasSse ? [SseModule.forRoot()] : [];
  Module({ imports, controllers: [PlainController] })(AppModule);
  const { port } = await listenNest(AppModule);
  return { port, publish() {} };
});
