import { createServer } from 'node:http';
import { listen } from '../lib/listen.mjs';
import { serve } from '../lib/serve.mjs';

/** Plain Node as most hand-written servers do it: `response.write` with the text of the event. */
serve(async () => {
  const topics = new Map();
  const server = createServer((request, response) => {
    const topic = request.url;
    const responses = topics.get(topic) ?? new Set();
    topics.set(topic, responses);
    responses.add(response);
    response.once('close', () => responses.delete(response));
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
    response.flushHeaders();
  });
  return {
    port: await listen(server),
    publish(topic, event) {
      const frame = `id: ${event.n}\ndata: ${JSON.stringify(event)}\n\n`;
      for (const response of topics.get(`/${topic}`) ?? []) response.write(frame);
    },
  };
});
