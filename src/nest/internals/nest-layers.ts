import { lastValueFrom, Observable } from 'rxjs';
import { layersBetween } from '../../delivery/layers.js';

/** What we need of Nest's `InterceptorsConsumer`. */
interface Consumer {
  intercept(
    interceptors: readonly object[],
    args: readonly unknown[],
    instance: object,
    callback: () => void,
    next: () => Promise<unknown>,
    type: string,
  ): Promise<Observable<unknown>>;
}

let measured: Promise<number | undefined> | undefined;

/**
 * How many subscribers Nest itself puts between the Observable that a handler returns and an interceptor
 * with none after it. With one operator more there is one more, so exactly as many means that a handler
 * returned a stream as it is. Undefined in a Nest that does not let itself be asked.
 */
export function nestLayers(): Promise<number | undefined> {
  return (measured ??= measure().catch(() => undefined));
}

async function measure(): Promise<number | undefined> {
  const { InterceptorsConsumer } =
    (await import('@nestjs/core/interceptors/interceptors-consumer.js')) as unknown as {
      InterceptorsConsumer: new () => Consumer;
    };
  let receiver: object | undefined;
  let layers: number | undefined;
  const interceptor = {
    intercept: (_: unknown, next: { handle(): Observable<unknown> }) =>
      new Observable((observer) => {
        receiver = observer;
        return next.handle().subscribe(observer);
      }),
  };
  const returned = new Observable<never>((subscriber) => {
    if (receiver !== undefined) layers = layersBetween(subscriber, receiver);
    subscriber.complete();
  });
  const consumer = new InterceptorsConsumer();
  const handler = () => Promise.resolve(returned);
  const result = await consumer.intercept([interceptor], [], {}, () => {}, handler, 'http');
  await lastValueFrom(result, { defaultValue: undefined });
  return layers;
}
