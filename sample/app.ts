import type { ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NestApplicationOptions } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { AppModule } from './app.module.js';

/** What the page links to, as it is in the checkout. */
const TEXTS = ['README.md', 'docs'];

export async function createApp(
  options: NestApplicationOptions = {},
): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(AppModule, {
    // Streams are drained before. What is left are sockets that a browser opened in advance, and Node
    // would wait a minute for their first request.
    forceCloseConnections: true,
    ...options,
  });
  app.enableCors();
  app.enableShutdownHooks();
  app.useStaticAssets(join(import.meta.dirname, 'public'), { index: false });
  // It has no dependencies, and is served as it was compiled; an application would bundle it.
  const client = fileURLToPath(import.meta.resolve('nestjs-event-stream/client'));
  app.useStaticAssets(dirname(client), { prefix: '/client' });
  for (const name of TEXTS) {
    app.useStaticAssets(join(import.meta.dirname, '..', name), {
      prefix: `/${name}`,
      index: false,
      setHeaders: (response: ServerResponse) =>
        response.setHeader('content-type', 'text/plain; charset=utf-8'),
    });
  }
  return app;
}
