import { createServer } from 'node:http';
import { createChannel, createSession } from 'better-sse';
import { listen } from '../lib/listen.mjs';
import { serve } from '../lib/serve.mjs';

/**
 * As its documentation says for many clients (README and guide "Channels"): sessions register with a
 * channel, and `channel.broadcast` sends to all of them. Batches (guide "Batching") are for events that
 * one caller has together; a burst is several publishers, each with one event.
 */
serve(async () => {
  const channels = new Map();
  const channelOf = (topic) => {
    const channel = channels.get(topic) ?? createChannel();
    channels.set(topic, channel);
    return channel;
  };
  const server = createServer(async (request, response) => {
    const session = await createSession(request, response);
    channelOf(request.url).register(session);
  });
  return {
    port: await listen(server),
    publish(topic, event) {
      channelOf(`/${topic}`).broadcast(event, 'message', { eventId: String(event.n) });
    },
  };
});
