import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { answerTo } from '../../examples/ai-chat/language-model.js';
import { RedisServer } from '../redis/support/redis-server.js';
import { launch, visit } from '../sample/browser.js';
import { CHROMIUM, describeWith, REDIS_SERVER } from '../support/programs.js';
import { until } from '../support/until.js';
import { ExampleProcess, LoadBalancer } from './example-process.js';

describeWith(REDIS_SERVER, 'the example ai-chat, on two instances', (redisPath) => {
  describeWith(CHROMIUM, 'in a browser', (chromiumPath) => {
    let redis: RedisServer;
    let one: ExampleProcess;
    let two: ExampleProcess;
    let balancer: LoadBalancer;
    let browser: Browser;

    beforeAll(async () => {
      redis = await RedisServer.start(redisPath);
      // So slow that no answer is whole before a browser has shown a part of it.
      const env = { REDIS_URL: redis.url, PACE: '150' };
      [one, two, browser] = await Promise.all([
        ExampleProcess.start('ai-chat', env),
        ExampleProcess.start('ai-chat', env),
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

    const QUESTION = 'What do you know of the sea?';

    async function ask(page: Page): Promise<void> {
      await page.locator('input').fill(QUESTION);
      await page.getByRole('button', { name: 'Ask' }).click();
    }

    const answersOn = (page: Page) => page.locator('.assistant').allTextContents();

    /** Resolves with what there is when it is longer than before. */
    async function longerThan(page: Page, length: number): Promise<string> {
      let text = '';
      await until('more of the answer is there', async () => {
        [text = ''] = await answersOn(page);
        return text.length > length;
      });
      return text;
    }

    const statusIs = (page: Page, status: string) =>
      until(status, async () => (await page.locator('output').textContent()) === status, 20_000);

    it('has the whole answer once, reloaded three times in the middle, at last on the other instance', async () => {
      balancer.target = one;
      const { page } = await visit(browser, balancer.url);
      await ask(page);
      const whole = answerTo(QUESTION);
      let read = await longerThan(page, 0);
      for (const target of [one, two, two]) {
        balancer.target = target;
        await page.reload();
        read = await longerThan(page, read.length);
        expect(whole.startsWith(read)).toBe(true);
        expect(read.length).toBeLessThan(whole.length);
      }
      await until('it is whole', async () => (await answersOn(page))[0] === whole, 20_000);
      await statusIs(page, 'ready');
      expect(await answersOn(page)).toEqual([whole]);
      await page.reload();
      await statusIs(page, 'ready');
      await until('it is there', async () => (await answersOn(page)).length === 1);
      expect(await answersOn(page)).toEqual([whole]);
      await page.context().close();
    }, 120_000);

    it('is stopped from the other instance, and keeps what there was', async () => {
      balancer.target = one;
      const { page } = await visit(browser, balancer.url);
      await ask(page);
      await longerThan(page, 0);
      balancer.target = two;
      await page.getByRole('button', { name: 'Stop' }).click();
      await statusIs(page, 'ready');
      const [stopped = ''] = await answersOn(page);
      expect(answerTo(QUESTION).startsWith(stopped)).toBe(true);
      expect(stopped.length).toBeLessThan(answerTo(QUESTION).length);
      await page.reload();
      await statusIs(page, 'ready');
      expect(await answersOn(page)).toEqual([stopped]);
      await page.context().close();
    }, 120_000);

    it('says that the answer broke off when the instance that wrote it is killed, and goes on with the next one', async () => {
      balancer.target = one;
      const { page } = await visit(browser, balancer.url);
      await ask(page);
      const read = await longerThan(page, 20);
      balancer.target = two;
      await one.kill();
      await page.getByText('The answer was interrupted').waitFor({ timeout: 20_000 });
      const [left = ''] = await answersOn(page);
      expect(left.startsWith(read)).toBe(true);
      expect(answerTo(QUESTION).slice(0, left.length)).toBe(left);
      await ask(page);
      await until(
        'that is whole',
        async () => (await answersOn(page))[1] === answerTo(QUESTION),
        20_000,
      );
      expect(await answersOn(page)).toEqual([left, answerTo(QUESTION)]);
      await page.context().close();
    }, 120_000);
  });
});
