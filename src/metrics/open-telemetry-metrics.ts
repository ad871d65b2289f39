import {
  type BatchObservableCallback,
  type Histogram,
  type Meter,
  type Observable,
} from '@opentelemetry/api';
import type { Statistics } from '../nest/statistics.js';
import { type Instrument, INSTRUMENTS } from './instruments.js';
import { Measurements } from './measurements.js';

/** Makes the instruments of a meter, and lets them read what an application counts. */
export class OpenTelemetryMetrics {
  readonly #meter: Meter;
  readonly #measurements: Measurements;
  readonly #histograms = new Map<Instrument, Histogram>();
  readonly #observables = new Map<Instrument, Observable>();

  constructor(statistics: Statistics, meter: Meter) {
    this.#meter = meter;
    for (const instrument of Object.values(INSTRUMENTS)) this.#create(instrument);
    this.#measurements = new Measurements(statistics, ({ instrument, value, attributes }) => {
      this.#histograms.get(instrument)?.record(value, attributes);
    });
    meter.addBatchObservableCallback(this.#observe, [...this.#observables.values()]);
  }

  close(): void {
    this.#measurements.close();
    this.#meter.removeBatchObservableCallback(this.#observe, [...this.#observables.values()]);
  }

  readonly #observe: BatchObservableCallback = async (result) => {
    for (const { instrument, value, attributes } of await this.#measurements.read()) {
      const observable = this.#observables.get(instrument);
      if (observable !== undefined) result.observe(observable, value, attributes);
    }
  };

  #create(instrument: Instrument): void {
    const { name, kind, unit, description, buckets } = instrument;
    const options = { unit, description };
    if (kind === 'histogram') {
      const advice = { explicitBucketBoundaries: [...(buckets ?? [])] };
      this.#histograms.set(instrument, this.#meter.createHistogram(name, { ...options, advice }));
    } else {
      this.#observables.set(instrument, this.#createObservable(name, kind, options));
    }
  }

  #createObservable(
    name: string,
    kind: Exclude<Instrument['kind'], 'histogram'>,
    options: { readonly unit: string; readonly description: string },
  ): Observable {
    switch (kind) {
      case 'counter':
        return this.#meter.createObservableCounter(name, options);
      case 'upDownCounter':
        return this.#meter.createObservableUpDownCounter(name, options);
      case 'gauge':
        return this.#meter.createObservableGauge(name, options);
    }
  }
}
