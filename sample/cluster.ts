import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Instance } from './cluster/instance.js';
import { createProxy } from './cluster/proxy.js';
import { RedisServer } from './cluster/redis-server.js';

const { PORT = '3000', REDIS_URL } = process.env;

const redis = REDIS_URL === undefined ? await RedisServer.start() : undefined;
const instances = ['A', 'B'].map((name) => new Instance(name, redis?.url ?? REDIS_URL ?? ''));
const proxy = createProxy(instances);

let isStopping = false;
async function stop(): Promise<void> {
  if (isStopping) return;
  isStopping = true;
  proxy.close();
  await Promise.all(instances.map((instance) => instance.stop()));
  proxy.closeAllConnections();
  await redis?.stop();
}

process.on('SIGTERM', () => void stop());
process.on('SIGINT', () => void stop());
void redis?.ended.then(() => {
  if (!isStopping) console.error('redis-server has ended; so does the cluster.');
  return stop();
});

proxy.listen(Number(PORT));
await once(proxy, 'listening');
await Promise.all(instances.map((instance) => instance.isReady));
const { port } = proxy.address() as AddressInfo;
console.log(`Open http://localhost:${port}; two instances are behind it.`);
