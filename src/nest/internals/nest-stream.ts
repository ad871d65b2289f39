/** What we need of the stream that Nest pipes into the response of an `@Sse()` route. */
export interface NestStream {
  commitHeaders(): void;
  writeMessage(message: unknown, done: (error?: Error) => void): void;
  unpipe(...from: unknown[]): unknown;
  end(): unknown;
}

const METHODS = ['commitHeaders', 'writeMessage', 'unpipe', 'end'] as const;

export function isNestStream(stream: unknown): stream is NestStream {
  return missingIn(stream).length === 0;
}

/** What is missing in the stream of this Nest, by name. */
export async function askNestStream(): Promise<readonly string[]> {
  const module = await import('@nestjs/core/router/sse-stream.js').catch(() => undefined);
  const { prototype } = (module?.SseStream ?? {}) as { readonly prototype?: unknown };
  return missingIn(prototype);
}

function missingIn(stream: unknown): readonly string[] {
  const methods = (stream ?? {}) as Record<string, unknown>;
  return METHODS.filter((method) => typeof methods[method] !== 'function');
}
