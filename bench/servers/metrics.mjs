import 'reflect-metadata';
import { Controller, Module, Param, Sse } from '@nestjs/common';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { EventBus, SseModule } from '../../dist/index.js';
import { SseMetricsModule } from '../../dist/metrics/index.js';
import { Statistics } from '../../dist/nest/statistics.js';
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

/** This package, whose metrics the SDK of OpenTelemetry collects while they are on. */
serve(async () => {
  class AppModule {}
  Module({ imports: [SseModule.forRoot()], controllers: [EventsController] })(AppModule);
  const { app, port } = await listenNest(AppModule);
  const bus = app.get(EventBus);
  const statistics = app.get(Statistics);
  let stop = () => {};
  return {
    port,
    publish: (topic, event) => bus.publish(topic, { data: event }),
    toggle(isOn) {
      stop();
      stop = isOn ? measured(statistics) : () => {};
    },
  };
});

function measured(statistics) {
  const reader = new AskedReader();
  const meterProvider = new MeterProvider({ readers: [reader] });
  const metrics = new SseMetricsModule(statistics, { meterProvider });
  metrics.onApplicationBootstrap();
  const timer = setInterval(() => void reader.collect(), INTERVAL).unref();
  return () => {
    clearInterval(timer);
    metrics.onApplicationShutdown();
  };
}
