import type { MeterProvider, TracerProvider } from '@opentelemetry/api';
import type { GivenOptions } from '../options.js';

/** @throws SseError `BAD_OPTION` */
export function givenMeterProvider(given: GivenOptions): MeterProvider | undefined {
  return providerOf<MeterProvider>(given, 'meterProvider', 'getMeter');
}

/** @throws SseError `BAD_OPTION` */
export function givenTracerProvider(given: GivenOptions): TracerProvider | undefined {
  return providerOf<TracerProvider>(given, 'tracerProvider', 'getTracer');
}

function providerOf<Provider extends object>(
  given: GivenOptions,
  name: string,
  method: keyof Provider & string,
): Provider | undefined {
  const value = given.get(name) as Partial<Provider> | null | undefined;
  if (value === undefined || typeof value?.[method] === 'function') return value as Provider;
  throw given.bad(name, `a provider of OpenTelemetry, with ${method}()`);
}
