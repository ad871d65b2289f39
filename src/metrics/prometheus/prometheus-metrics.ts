import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Statistics } from '../../nest/statistics.js';
import { SseError } from '../../errors.js';
import { type Instrument, INSTRUMENTS } from '../instruments.js';
import { type Measurement, Measurements } from '../measurements.js';

const UNITS: Readonly<Record<string, string>> = { s: '_seconds', By: '_bytes' };

/** Puts the metrics of an application into a registry, and takes them out again. */
export class PrometheusMetrics {
  readonly #registry: Registry;
  readonly #measurements: Measurements;
  readonly #histograms = new Map<Instrument, Histogram>();
  readonly #counters = new Map<Instrument, Counter | Gauge>();
  /** All metrics are collected at once, each by itself. */
  #refreshed: Promise<void> | undefined;

  /** @throws SseError `BAD_OPTION` if the registry has them already */
  constructor(statistics: Statistics, registry: Registry) {
    this.#registry = registry;
    const instruments: Instrument[] = Object.values(INSTRUMENTS);
    if (instruments.some((each) => registry.getSingleMetric(prometheusName(each)) !== undefined)) {
      throw new SseError(
        'BAD_OPTION',
        'SsePrometheusModule: registry has these metrics already; give each application of a process one of its ' +
          'own, `forRoot({ registry: new Registry() })`',
      );
    }
    for (const instrument of instruments) this.#create(instrument);
    this.#measurements = new Measurements(statistics, (measurement) => this.#record(measurement));
  }

  close(): void {
    this.#measurements.close();
    for (const instrument of Object.values(INSTRUMENTS)) {
      this.#registry.removeSingleMetric(prometheusName(instrument));
    }
  }

  #record({ instrument, value, attributes }: Measurement): void {
    this.#histograms.get(instrument)?.observe(labelsOf(attributes), value);
  }

  #create(instrument: Instrument): void {
    const { kind, description, attributes, buckets } = instrument;
    const options = {
      name: prometheusName(instrument),
      help: description,
      labelNames: attributes.map(labelName),
      registers: [this.#registry],
    };
    if (kind === 'histogram') {
      const histogram = new Histogram({ ...options, buckets: [...(buckets ?? [])] });
      this.#histograms.set(instrument, histogram);
      return;
    }
    const collect = () => this.#refresh();
    const Metric = kind === 'counter' ? Counter : Gauge;
    this.#counters.set(instrument, new Metric({ ...options, collect }));
  }

  #refresh(): Promise<void> {
    this.#refreshed ??= this.#read().finally(() => {
      setImmediate(() => (this.#refreshed = undefined));
    });
    return this.#refreshed;
  }

  async #read(): Promise<void> {
    const measurements = await this.#measurements.read();
    for (const metric of this.#counters.values()) metric.reset();
    for (const { instrument, value, attributes } of measurements) {
      this.#counters.get(instrument)?.inc(labelsOf(attributes), value);
    }
  }
}

/** As the collector of OpenTelemetry and Prometheus itself translate it, so that one dashboard fits both ways. */
export function prometheusName({ name, kind, unit }: Instrument): string {
  return name.replaceAll('.', '_') + (UNITS[unit] ?? '') + (kind === 'counter' ? '_total' : '');
}

function labelName(attribute: string): string {
  return attribute.replaceAll('.', '_');
}

function labelsOf(attributes: Measurement['attributes'] = {}): Record<string, string> {
  const labels = Object.entries(attributes).map(([name, value]) => [labelName(name), value]);
  return Object.fromEntries(labels) as Record<string, string>;
}
