import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { RedisServer } from '../redis/support/redis-server.js';
import { launch, visit } from '../sample/browser.js';
import { CHROMIUM, describeWith, REDIS_SERVER } from '../support/programs.js';
import { until } from '../support/until.js';
import { ExampleProcess, LoadBalancer } from './example-process.js';

describeWith(REDIS_SERVER, 'the example jobs, on two instances', (redisPath) => {
  describeWith(CHROMIUM, 'in a browser', (chromiumPath) => {
    let redis: RedisServer;
    let one: ExampleProcess;
    let two: ExampleProcess;
    let balancer: LoadBalancer;
    let browser: Browser;

    beforeAll(async () => {
      redis = await RedisServer.start(redisPath);
      const env = { REDIS_URL: redis.url };
      [one, two, browser] = await Promise.all([
        ExampleProcess.start('jobs', env),
        ExampleProcess.start('jobs', env),
        launch(chromiumPath),
      ]);
      balancer = await LoadBalancer.start(one);
    }, 60_000);

    afterAll(async () => {
      await browser.close();
      balancer.stop();
      await Promise.all([one.kill(), two.kill()]);
      await redis.stop();
    });

    const ROWS = 60;
    const progressOf = (page: Page): Promise<number> =>
      page.evaluate<number>(`document.querySelector('progress').value`);
    const outputOf = (page: Page) => page.locator('output').textContent();

    /** Resolves with the progress when there is more than that. */
    async function moreThan(page: Page, progress: number): Promise<number> {
      let now = 0;
      await until(
        `more than ${progress}`,
        async () => {
          now = await progressOf(page);
          return now > progress;
        },
        15_000,
      );
      return now;
    }

    const says = (page: Page, text: string) =>
      until(text, async () => (await outputOf(page)) === text, 20_000);

    it('shows progress and result once, reloaded three times in the middle, at last on the other instance', async () => {
      balancer.target = one;
      const { page } = await visit(browser, balancer.url);
      await page.getByRole('button', { name: 'Export' }).click();
      let progress = await moreThan(page, 0);
      for (const target of [one, two, two]) {
        balancer.target = target;
        await page.reload();
        progress = await moreThan(page, progress);
        expect(progress).toBeLessThan(ROWS);
      }
      await says(page, `{"rows":${ROWS}} done`);
      expect(await progressOf(page)).toBe(ROWS);
      await page.reload();
      await says(page, `{"rows":${ROWS}} done`);
      await page.context().close();
    }, 60_000);

    it('is stopped from the other instance, with its job', async () => {
      balancer.target = one;
      const { page } = await visit(browser, balancer.url);
      await page.getByRole('button', { name: 'Export' }).click();
      await moreThan(page, 0);
      balancer.target = two;
      await page.getByRole('button', { name: 'Stop' }).click();
      await says(page, ' stopped');
      const id = await page.evaluate<string>('sessionStorage.job');
      const failed = () => redis.control.zscore('bull:exports:failed', id);
      await until('its job has failed', async () => (await failed()) !== null);
      await page.context().close();
    }, 60_000);

    it('goes on when the instance that follows the job, or works on it, is killed', async () => {
      balancer.target = one;
      const { page } = await visit(browser, balancer.url);
      await page.getByRole('button', { name: 'Export' }).click();
      const progress = await moreThan(page, 3);
      balancer.target = two;
      await one.kill();
      await moreThan(page, progress);
      await says(page, `{"rows":${ROWS}} done`);
      await page.context().close();
    }, 60_000);
  });
});
