import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';

/** Collects when it is asked to. */
class AskedReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

/** An OpenTelemetry SDK of a test's own, read like the text that Prometheus gets. */
export class Sdk {
  readonly #reader = new AskedReader();
  readonly meterProvider = new MeterProvider({ readers: [this.#reader] });

  /** Values by `name{attribute="value"}`; of a histogram how many there are. */
  async read(): Promise<Map<string, number>> {
    const { resourceMetrics } = await this.#reader.collect();
    const metrics = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
    return new Map(
      metrics.flatMap(({ descriptor, dataPoints }) =>
        dataPoints.map(({ attributes, value }) => {
          const names = Object.entries(attributes).map(([key, each]) => `${key}="${String(each)}"`);
          const name =
            names.length === 0 ? descriptor.name : `${descriptor.name}{${names.join(',')}}`;
          return [name, typeof value === 'number' ? value : value.count] as const;
        }),
      ),
    );
  }

  async stop(): Promise<void> {
    await this.meterProvider.shutdown();
  }
}
