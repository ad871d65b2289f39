import sse from '@fastify/sse';
import fastify from 'fastify';
import { serve } from '../lib/serve.mjs';

/**
 * As its README says for a stream that lives on ("Connection Management"): `sse.keepAlive()`, then
 * `sse.send` for each client. It has no broadcast of its own; a set of replies is what its users write.
 * With the serializer of its README ("Custom Serialization") the event is encoded once, not per client.
 */
serve(async () => {
  const app = fastify();
  await app.register(sse, {
    serializer: (data) => (typeof data === 'string' ? data : JSON.stringify(data)),
  });
  const topics = new Map();
  app.get('/:topic', { sse: 'only' }, async (request, reply) => {
    const { topic } = request.params;
    const replies = topics.get(topic) ?? new Set();
    topics.set(topic, replies);
    reply.sse.keepAlive();
    reply.sse.sendHeaders();
    replies.add(reply);
    reply.sse.onClose(() => replies.delete(reply));
    reply.raw.flushHeaders();
  });
  await app.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
  return {
    port: app.server.address().port,
    publish(topic, event) {
      const message = { id: String(event.n), data: JSON.stringify(event) };
      for (const { sse } of topics.get(topic) ?? []) sse.send(message).catch(() => {});
    },
  };
});
