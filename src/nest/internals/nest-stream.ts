import * as common from '@nestjs/common';

/** What we need of the stream that Nest pipes into the response of an `@Sse()` route. */
export interface NestStream {
  readonly headersCommitted: boolean;
  /** A function from Nest 12.1 on, which reads it when it sends the headers. */
  _statusCode?: number | (() => number);
  _additionalHeaders?: object | undefined;
  commitHeaders(): void;
  writeMessage(message: unknown, done: (error?: Error) => void): void;
  unpipe(...from: unknown[]): unknown;
  end(): unknown;
}

const METHODS = ['commitHeaders', 'writeMessage', 'unpipe', 'end'] as const;

export function isNestStream(stream: unknown): stream is NestStream {
  return missingIn(stream).length === 0;
}

/** Whether the status and headers were taken when the stream was piped, before interceptors and handlers ran. */
export function takesStatusEarly(stream: NestStream): boolean {
  return typeof stream._statusCode === 'number';
}

/** Of a request: what holds the controller that tells its handler when it is over. */
export const ABORT_CONTROLLER = (common as Record<string, unknown>)['SSE_ABORT_CONTROLLER'];

/** What of Nest's names hands that controller's signal to a handler; Nest before 11.2 has neither. */
const SIGNAL = 'SseSignal';

/** What is missing in the stream of this Nest, and beside it, by name. */
export async function askNestStream(): Promise<readonly string[]> {
  const module = await import('@nestjs/core/router/sse-stream.js').catch(() => undefined);
  const { prototype } = (module?.SseStream ?? {}) as { readonly prototype?: unknown };
  const isTold = 'headersCommitted' in Object(prototype);
  return [
    ...missingIn(prototype),
    ...(isTold ? [] : ['headersCommitted']),
    ...missingForSignals(common),
  ];
}

/** A Nest that hands out no signal has nothing to abort it with either, and lacks nothing. */
export function missingForSignals(nest: object): readonly string[] {
  const names = nest as Record<string, unknown>;
  return SIGNAL in names && !isKey(names['SSE_ABORT_CONTROLLER']) ? ['SSE_ABORT_CONTROLLER'] : [];
}

export function isKey(value: unknown): value is string | symbol {
  return typeof value === 'string' || typeof value === 'symbol';
}

function missingIn(stream: unknown): readonly string[] {
  const methods = (stream ?? {}) as Record<string, unknown>;
  return METHODS.filter((method) => typeof methods[method] !== 'function');
}
