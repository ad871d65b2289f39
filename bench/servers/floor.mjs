import { createServer } from 'node:http';
import { listen } from '../lib/listen.mjs';
import { serve } from '../lib/serve.mjs';

/**
 * The floor: plain Node, each event encoded once, with the framing of its chunk, and the same bytes
 * written straight to each socket. No server written in JavaScript on Node's `http` can do less.
 */
serve(async () => {
  const topics = new Map();
  const server = createServer((request, response) => {
    const topic = request.url;
    const sockets = topics.get(topic) ?? new Set();
    topics.set(topic, sockets);
    sockets.add(response.socket);
    response.once('close', () => sockets.delete(response.socket));
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
    response.flushHeaders();
  });
  return {
    port: await listen(server),
    publish(topic, event) {
      const frame = `id: ${event.n}\ndata: ${JSON.stringify(event)}\n\n`;
      const chunk = Buffer.from(`${frame.length.toString(16)}\r\n${frame}\r\n`);
      for (const socket of topics.get(`/${topic}`) ?? []) socket.write(chunk);
    },
  };
});
