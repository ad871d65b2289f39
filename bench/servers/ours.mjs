import 'reflect-metadata';
import { Controller, Module, Param, Sse } from '@nestjs/common';
import { EventBus, SseModule } from 'nestjs-event-stream';
import { decorate, listenNest } from '../lib/nest.mjs';
import { serve } from '../lib/serve.mjs';

/** This package, as its README shows: the handler returns `bus.stream(topic)`. All options are defaults. */
class EventsController {
  constructor(bus) {
    this.bus = bus;
  }

  events(topic) {
    return this.bus.stream(topic);
  }
}
decorate(EventsController, Controller(), { events: [Sse(':topic'), [Param('topic')]] }, [EventBus]);

class AppModule {}

serve(async ({ options } = {}) => {
  Module({ imports: [SseModule.forRoot(options)], controllers: [EventsController] })(AppModule);
  const { app, port } = await listenNest(AppModule);
  const bus = app.get(EventBus);
  return {
    port,
    publish: (topic, event) => bus.publish(topic, { data: event }),
    publishToMany: (topics, event) => bus.publish(topics, { data: event }),
    cursor: () => bus.head,
  };
});
