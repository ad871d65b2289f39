// What docs/guide/beside.md says of Sentry, whose server is a function here. With `leave-out` streams are left out.
import * as Sentry from '@sentry/nestjs';

const leavesOut = process.argv.includes('leave-out');
const transactions = [];
const errors = [];

Sentry.init({
  dsn: 'http://key@127.0.0.1:1/1',
  tracesSampleRate: 1,
  integrations: leavesOut
    ? [
        Sentry.httpIntegration({
          ignoreIncomingRequests: (url, request) => request.headers.accept === 'text/event-stream',
        }),
      ]
    : [],
  transport: () => ({ send: async () => ({}), flush: async () => true }),
  beforeSendTransaction: (event) => {
    transactions.push({ name: event.transaction, status: event.contexts?.trace?.status, event });
    return null;
  },
  beforeSend: (event) => {
    errors.push(event.exception?.values?.[0]?.value);
    return null;
  },
});

const { check, open, start, until } = await import('./application.mjs');
const { APP_FILTER } = await import('@nestjs/core');
const { SentryGlobalFilter, SentryModule } = await import('@sentry/nestjs/setup');

const { app, url, bus, connections } = await start({
  imports: [SentryModule.forRoot()],
  providers: [{ provide: APP_FILTER, useClass: SentryGlobalFilter }],
});
connections.errors$.subscribe(({ error }) => Sentry.captureException(error));
const of = (path) => transactions.find(({ name }) => name === `GET /${path}`);

const news = await open(url, 'news');
await bus.publish('news', { data: 'one' });
await until('the event', () => news.text.includes('data: one'));
const plain = await fetch(`${url}/plain`, { headers: { connection: 'close' } });
await plain.text();
await until('the transaction of the plain route', () => of('plain') !== undefined);
check('an open stream has no transaction yet', of('news') === undefined);
await new Promise((resolve) => setTimeout(resolve, 300));
news.close();
await until('the server knows', () => connections.count === 0);

const refused = await open(url, 'refused');
await refused.whole;
await until('the early error', () => errors.includes('early'));
check('an early error comes to SentryGlobalFilter, with its status', refused.status === 500);

const late = await open(url, 'late');
await late.whole;
await until('the late error', () => errors.includes('late'));
check('a late error comes to errors$', late.text.includes('event: exception'));
check('each error is told once', errors.length === 2);

if (leavesOut) {
  await Sentry.flush(1_000);
  const streams = ['news', 'refused', 'late'].filter((path) => of(path) !== undefined);
  check(`ignoreIncomingRequests leaves streams out (${streams.join()})`, streams.length === 0);
} else {
  await until('the transaction of the stream', () => of('news') !== undefined);
  const { event } = of('news');
  check(
    'a stream has one when it ends, as long as it was open',
    event.timestamp - event.start_timestamp > 0.3,
  );
  await until('that of the late error', () => of('late') !== undefined);
  check('its status is ok, also when it failed late', of('late').status === 'ok');
}
await app.close();
process.exit();
