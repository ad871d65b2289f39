// What docs/guide/beside.md says of dd-trace, which writes its spans to the output here. With `leave-out` streams are left out.
//   node --import dd-trace/register.js dd-trace.mjs
import tracer from 'dd-trace';

const leavesOut = process.argv.includes('leave-out');
const spans = [];
const write = process.stdout.write.bind(process.stdout);
process.stdout.write = (text, ...rest) => {
  if (!String(text).startsWith('{"traces"')) return write(text, ...rest);
  for (const trace of JSON.parse(text).traces) spans.push(...trace);
  return true;
};

tracer.init({ experimental: { exporter: 'log' }, startupLogs: false });
if (leavesOut) tracer.use('http', { server: { blocklist: [/^\/news/] } });

const { check, open, start, until } = await import('./application.mjs');
const { app, url, bus, connections } = await start();
const requestOf = (path) =>
  spans.find(({ meta }) => meta['span.kind'] === 'server' && meta['http.url'] === `${url}/${path}`);

const news = await open(url, 'news');
await bus.publish('news', { data: 'one' });
await until('the event', () => news.text.includes('data: one'));
await (await fetch(`${url}/plain`)).text();
await until('the span of the plain route', () => requestOf('plain') !== undefined);
check('a request beside an open stream is not held up', requestOf('news') === undefined);
await new Promise((resolve) => setTimeout(resolve, 300));
news.close();
await until('the server knows', () => connections.count === 0);

if (leavesOut) {
  // Those of the stream come with the end of its request, which is before this one's.
  await (await fetch(`${url}/plain?last`)).text();
  await until(
    'the next request',
    () => spans.filter(({ resource }) => resource === 'Routes.plain').length === 2,
  );
  check('blocklist leaves streams out', requestOf('news') === undefined);
} else {
  await until('the span of the stream', () => requestOf('news') !== undefined);
  check(
    'a stream has its span when it ends, as long as it was open',
    requestOf('news').duration > 0.3e9,
  );
  check(
    'so has its handler',
    spans.some(({ resource }) => resource === 'Routes.news'),
  );
}
await app.close();
process.exit();
