import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Request, Response } from 'express';
import type { Browser, BrowserContextOptions } from 'playwright-core';
import { createApp } from '../../sample/app.js';
import { bundle } from '../client/support/bundle.js';
import { ClockPage } from './clock-page.js';
import { launch, portOf, visit, type Visit } from './browser.js';

/** A new sample for each test of a suite, and pages of it. */
export class SamplePages {
  app!: NestExpressApplication;
  #browser!: Browser;
  #port = 0;
  #client: ReturnType<typeof bundle> | undefined;

  /** Registers the hooks of the suite that it is called in. */
  constructor(chromium: string) {
    beforeAll(async () => {
      this.#browser = await launch(chromium);
    }, 60_000);
    afterAll(() => this.#browser.close());
    beforeEach(() => this.#start(0));
    afterEach(async () => {
      await Promise.all(this.#browser.contexts().map((context) => context.close()));
      await this.app.close();
    });
  }

  get url(): string {
    return `http://localhost:${this.#port}`;
  }

  async open(
    path = '/',
    options: BrowserContextOptions = {},
  ): Promise<Visit & { clock: ClockPage }> {
    const opened = await visit(this.#browser, `${this.url}${path}`, options);
    return { ...opened, clock: new ClockPage(opened.page) };
  }

  /** Another tab of the same browser. */
  async openBeside({ page: other }: Visit): Promise<ClockPage> {
    const page = await other.context().newPage();
    await page.goto(`${this.url}/`);
    return new ClockPage(page);
  }

  /** Ends the server, and starts it anew at the same address. */
  async restart(): Promise<void> {
    await this.app.close();
    await this.#start(this.#port);
  }

  async #start(port: number): Promise<void> {
    this.app = await createApp({ logger: ['error', 'warn'] });
    // Here the client is its sources, of which a browser understands nothing.
    const files = await (this.#client ??= bundle());
    this.app.use('/client', ({ path }: Request, response: Response) =>
      response.type('js').send(files.get(path.slice(1))),
    );
    await this.app.listen(port);
    this.#port = portOf(this.app);
  }
}
