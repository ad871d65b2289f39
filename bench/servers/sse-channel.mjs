import { createServer } from 'node:http';
import SseChannel from 'sse-channel';
import { listen } from '../lib/listen.mjs';
import { serve } from '../lib/serve.mjs';

/** As its README says ("Advanced example"): a channel with `jsonEncode`, clients added, `channel.send`. */
serve(async () => {
  const channels = new Map();
  const channelOf = (topic) => {
    const channel = channels.get(topic) ?? new SseChannel({ jsonEncode: true });
    channels.set(topic, channel);
    return channel;
  };
  const server = createServer((request, response) => {
    channelOf(request.url).addClient(request, response);
  });
  return {
    port: await listen(server),
    publish(topic, event) {
      channelOf(`/${topic}`).send({ id: event.n, data: event });
    },
  };
});
