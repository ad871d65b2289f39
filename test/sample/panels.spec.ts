import { describe, expect, it } from '@jest/globals';
import { type ConnectionInfo, SseConnections } from 'nestjs-event-stream';
import type { Page } from 'playwright-core';
import { CHROMIUM, describeWith } from '../support/programs.js';
import { until } from '../support/until.js';
import { SamplePages } from './sample-page.js';

describeWith(CHROMIUM, 'the panels of the sample', (path) => {
  const sample = new SamplePages(path);

  const isOfJob = ({ topics }: ConnectionInfo) => topics.some((topic) => topic.startsWith('job.'));

  function jobConnections(): number {
    return sample.app.get(SseConnections).list().filter(isOfJob).length;
  }

  describe('a job', () => {
    it('shows its progress, past a drop and a reload in the middle, and is closed when done', async () => {
      const { page, clock, problems } = await sample.open();
      const requests = requestsTo(page, '/jobs/');
      await page.click('#job-start');
      await clock.says('job-state', /Step [4-9] of 24/);
      expect(Number(await clock.text('job-received'))).toBeGreaterThan(0);
      sample.app.get(SseConnections).close(isOfJob);
      await clock.says('job-state', 'The connection was lost');
      await clock.says('job-state', /Step \d+ of 24|Done/);
      expect(requests).toHaveLength(2);

      await page.reload();
      await clock.says('job-state', /Step \d+ of 24|Done/);
      expect(await progressOf(page)).toBeGreaterThan(4);
      await clock.says('job-state', 'Done');
      expect(await progressOf(page)).toBe(24);
      // What a later step has replaced does not come again.
      expect(Number(await clock.text('job-received'))).toBeLessThan(24 + 1);
      await until('the stream is closed', () => jobConnections() === 0);

      await page.reload();
      await clock.says('job-state', 'Done');
      expect(await clock.text('job-received')).toBe('2');
      // Longer than an EventSource that is not closed would take to come back.
      await clock.receives(4);
      expect(requests).toHaveLength(4);
      expect(problems).toEqual([]);
    }, 60_000);

    it('is followed by every page that has its address', async () => {
      const first = await sample.open();
      await first.page.click('#job-start');
      await first.clock.says('job-state', /Step [2-9] of 24/);
      const second = await sample.open(`/${new URL(first.page.url()).hash}`);
      await second.clock.says('job-state', /Step \d+ of 24/);
      expect(await second.clock.text('job-id')).toBe(await first.clock.text('job-id'));
    });

    it('that the server knows nothing of does not leave the page waiting', async () => {
      const { page, clock } = await sample.open();
      await page.click('#job-start');
      await clock.says('job-state', /Step \d+ of 24/);
      await sample.restart();
      await clock.says('job-state', 'Gap (epoch)');
      await clock.says('job-state', 'Start another job.');
      await page.click('#job-start');
      await clock.says('job-state', /Step \d+ of 24/);
    }, 60_000);
  });

  describe('a gap', () => {
    it('of a log that is gone: its reason, the state, and what is newer', async () => {
      const { page, clock, problems } = await sample.open();
      await clock.receives(1);
      await page.click('#gap-form button');
      await clock.says('gap-steps', 'Up to date again.');
      const steps = await stepsOf(page);
      expect(steps[0]).toBe('request Last-Event-ID: 00000000000.7');
      expect(steps[1]).toMatch(
        /^gap reason: epoch; requested: 00000000000\.7; goes on after: \S+\.\d+$/,
      );
      expect(steps[2]).toMatch(/^GET \/time the state: \S+Z$/);
      expect(steps[3]).toMatch(/^events \d+ older ones/);
      const state = steps[2]?.split(' ').at(-1) ?? '';
      const [, newer = ''] = /^testEvent (\S+Z), id/.exec(steps[4] ?? '') ?? [];
      expect(Date.parse(newer) - Date.parse(state)).toBeGreaterThan(0);
      expect(Date.parse(newer) - Date.parse(state)).toBeLessThanOrEqual(1_000);
      await until('only the clock is left', () => sample.app.get(SseConnections).count === 1);
      expect(problems).toEqual([]);
    });

    it('of an id that nobody issued is unknown', async () => {
      const { page, clock } = await sample.open();
      await page.fill('#gap-id', 'tomorrow');
      await page.click('#gap-form button');
      await clock.says('gap-steps', 'Up to date again.');
      expect((await stepsOf(page))[1]).toMatch(/^gap reason: unknown; requested: tomorrow;/);
    });

    it('is none where the log still has what followed', async () => {
      const { page, clock } = await sample.open();
      await clock.receives(2);
      const known = await clock.column(3);
      await page.fill('#gap-id', known.at(-1) ?? '');
      await page.click('#gap-form button');
      await clock.says('gap-steps', 'No gap');
      const next = (await clock.column(3)).at(-2);
      expect((await stepsOf(page))[1]).toContain(`id ${next}`);
    });
  });
});

function requestsTo(page: Page, start: string): string[] {
  const requests: string[] = [];
  page.on('request', (request) => {
    const { pathname } = new URL(request.url());
    if (pathname.startsWith(start)) requests.push(pathname);
  });
  return requests;
}

function progressOf(page: Page): Promise<number> {
  return page.evaluate(`document.querySelector('#job-progress').value`);
}

function stepsOf(page: Page): Promise<string[]> {
  return page.locator('#gap-steps li').allInnerTexts();
}
