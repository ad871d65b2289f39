import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { INestApplication } from '@nestjs/common';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

/** Nothing that reaches for the network or wants a desktop. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export function launch(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args: FLAGS });
}

/** A page, what scripts logged on it, and what went wrong on it. */
export interface Visit {
  readonly page: Page;
  readonly logged: readonly string[];
  readonly problems: readonly string[];
}

export async function visit(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Visit> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const logged: string[] = [];
  const problems: string[] = [];
  page.on('console', (message) => {
    const isProblem = message.type() === 'error' || message.type() === 'warning';
    (isProblem ? problems : logged).push(message.text());
  });
  page.on('pageerror', ({ message }) => problems.push(message));
  await page.goto(url);
  return { page, logged, problems };
}

export function portOf(app: INestApplication): number {
  return ((app.getHttpServer() as Server).address() as AddressInfo).port;
}
