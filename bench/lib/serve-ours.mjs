import 'reflect-metadata';
import { Controller, Module, Param, Sse } from '@nestjs/common';
import { EventBus, SseModule } from 'nestjs-event-stream';
import { decorate, listenNest } from './nest.mjs';
import { serve } from './serve.mjs';

/**
 * Serves an application with this package; all options are defaults.
 *
 * @param {(bus: EventBus, topic: string) => import('rxjs').Observable<unknown>} events what its handler returns
 */
export function serveOurs(events) {
  class EventsController {
    constructor(bus) {
      this.bus = bus;
    }

    events(topic) {
      return events(this.bus, topic);
    }
  }
  decorate(EventsController, Controller(), { events: [Sse(':topic'), [Param('topic')]] }, [
    EventBus,
  ]);

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
}
