import 'reflect-metadata';
import { Controller, Module, Param, Sse } from '@nestjs/common';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { EventBus, SseModule } from '../../dist/index.js';
import { SseMetricsModule } from '../../dist/metrics/index.js';
import { decorate, listenNest } from '../lib/nest.mjs';
import { serve } from '../lib/serve.mjs';

/** Milliseconds between two collections: Prometheus scrapes every fifteen seconds, or more seldom. */
const INTERVAL = 1_000;

class AskedReader extends MetricReader {
  async onForceFlush() {}
  async onShutdown() {}
}

class EventsController {
  constructor(bus) {
    this.bus = bus;
  }

  events(topic) {
    return this.bus.stream(topic);
  }
}
decorate(EventsController, Controller(), { events: [Sse(':topic'), [Param('topic')]] }, [EventBus]);

/** This package, with or without its metrics, which the SDK of OpenTelemetry collects. */
serve(async ({ isMeasured }) => {
  const imports = [SseModule.forRoot()];
  if (isMeasured) imports.push(SseMetricsModule.forRoot({ meterProvider: collected() }));
  class AppModule {}
  Module({ imports, controllers: [EventsController] })(AppModule);
  const { app, port } = await listenNest(AppModule);
  const bus = app.get(EventBus);
  return { port, publish: (topic, event) => bus.publish(topic, { data: event }) };
});

function collected() {
  const reader = new AskedReader();
  const provider = new MeterProvider({ readers: [reader] });
  setInterval(() => void reader.collect(), INTERVAL).unref();
  return provider;
}
