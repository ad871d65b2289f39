import type { AddressInfo, Server } from 'node:net';
import { type INestApplication, Logger } from '@nestjs/common';

/** A running example, started by its own `main.ts`. */
export interface Example {
  readonly app: INestApplication;
  readonly url: string;
  post(path: string, body?: object): Promise<unknown>;
}

/** Starts an example on a free port. An example can be started once in each test file. */
export async function startExample(name: string): Promise<Example> {
  process.env['PORT'] = '0';
  Logger.overrideLogger(['error', 'warn']);
  const main = (await import(`../../examples/${name}/main.js`)) as { app: INestApplication };
  const { app } = main;
  const { port } = (app.getHttpServer() as Server).address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  return { app, url, post: (path, body) => post(`${url}${path}`, body) };
}

async function post(url: string, body: object | undefined): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body ?? {}),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`POST ${url}: ${response.status} ${text}`);
  return text === '' ? undefined : JSON.parse(text);
}
