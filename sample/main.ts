import { Logger } from '@nestjs/common';
import { createApp } from './app.js';

const app = await createApp();
await app.listen(process.env['PORT'] ?? 3000);
const { port } = new URL(await app.getUrl());
Logger.log(`Open http://localhost:${port}`, 'Sample');
