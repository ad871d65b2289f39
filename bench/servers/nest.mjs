import 'reflect-metadata';
import { Controller, Module, Param, Sse } from '@nestjs/common';
import { Subject } from 'rxjs';
import { decorate, listenNest } from '../lib/nest.mjs';
import { serve } from '../lib/serve.mjs';

/**
 * Nest's own `@Sse()` as its documentation shows ("Server-Sent Events"): the handler returns an
 * Observable of `MessageEvent`. For fan-out that is a Subject for each topic, which all its clients share.
 */
const topics = new Map();

function subjectOf(topic) {
  const subject = topics.get(topic) ?? new Subject();
  topics.set(topic, subject);
  return subject;
}

class EventsController {
  events(topic) {
    return subjectOf(topic);
  }
}
decorate(EventsController, Controller(), { events: [Sse(':topic'), [Param('topic')]] });

class AppModule {}
Module({ controllers: [EventsController] })(AppModule);

serve(async () => {
  const { port } = await listenNest(AppModule);
  return {
    port,
    publish(topic, event) {
      subjectOf(topic).next({ id: String(event.n), data: event });
    },
  };
});
