import { ConsoleLogger, Logger } from '@nestjs/common';
import { createApp } from './app.js';

const { INSTANCE, PORT = '3000' } = process.env;

const prefix = INSTANCE === undefined ? 'Sample' : `Instance ${INSTANCE}`;
const app = await createApp({ logger: new ConsoleLogger({ prefix }) });
await app.listen(PORT);
const { port } = new URL(await app.getUrl());
if (process.send === undefined) {
  Logger.log(`Open http://localhost:${port}`, 'Sample');
} else {
  // The cluster has to know where this instance is; the instance is not to outlive it.
  process.send(port);
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
}
