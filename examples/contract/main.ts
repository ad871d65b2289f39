import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
import { serveDocument } from './document.js';

export const app = await NestFactory.create(AppModule);
serveDocument(app);
await app.listen(process.env['PORT'] ?? 3000);
