import { expect, it } from '@jest/globals';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import type { Page } from 'playwright-core';
import { CHROMIUM, describeWith } from '../support/programs.js';
import { until } from '../support/until.js';
import { SamplePages } from './sample-page.js';

/** What is drawn of the seconds of the last minute, and what the legend explains. */
const DRAWN = `[...document.querySelectorAll('#minute i')].map((cell) => cell.dataset.second)`;
const EXPLAINED = `[...document.querySelectorAll('.legend li')]
  .filter((entry) => entry.innerText.trim() !== '')
  .map((entry) => entry.querySelector('i').dataset.second)`;

const LINKS = `[...document.querySelectorAll('.intro a')].map(({ href }) => href)`;
const BUTTON_GROUPS = `[...document.querySelectorAll('button')]
  .map((button) => button.closest('.action, form'))
  .map((group) => ({
    buttons: group.querySelectorAll('button').length,
    texts: [...group.querySelectorAll('p')].map((text) => text.textContent.trim()),
  }))`;

describeWith(CHROMIUM, 'the page of the sample', (path) => {
  const sample = new SamplePages(path);

  function tick(data: string): Promise<unknown> {
    return sample.app.get(EventBus).publish('clock', { type: 'testEvent', data });
  }

  it('says what it is, and links on', async () => {
    const { page, problems } = await sample.open();
    expect(await page.locator('.intro p').innerText()).toMatch(/^Server-Sent Events for NestJS/);
    const links = await page.evaluate<string[]>(LINKS);
    const own = links.filter((href) => href.startsWith(sample.url));
    expect(own.length).toBeGreaterThan(2);
    for (const href of own) {
      const response = await fetch(href);
      expect([href, response.status]).toEqual([href, 200]);
      expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
      expect(await response.text()).toMatch(/^# /);
    }
    expect(problems).toEqual([]);
  });

  it('shows what arrives; a dropped connection loses nothing and repeats nothing', async () => {
    const { page, clock, problems } = await sample.open();
    const other = await sample.open();
    await clock.receives(2);
    expect(await clock.state).toBe('Connected');
    const [known = ''] = await clock.column(3);

    await page.click('#drop');
    await clock.shows('Reconnecting');
    await clock.shows('Connected');
    await clock.receives(2);

    const requested = /Last-Event-ID: \S+\.(\d+)/.exec(await clock.text('events'))?.[1];
    expect(Number(requested)).toBeGreaterThanOrEqual(Number(known.split('.')[1]));
    expect(await clock.figure('replayed')).toBeGreaterThan(0);
    await clock.expectNoHole();
    // What the sample tells itself about the drop is no event of the clock, on this page or another.
    for (const shown of [clock, other.clock]) {
      expect(new Set(await shown.column(1))).toEqual(new Set(['testEvent']));
    }
    expect(problems).toEqual([]);
  });

  it('shows nothing as caught up on a fresh load, whatever the clocks say', async () => {
    const { clock } = await sample.open();
    await clock.receives(1);
    await tick('2001-01-01T00:00:00.000Z');
    await clock.receives(1);
    expect(new Set(await clock.column(4))).toEqual(new Set(['live']));
    expect(await clock.figure('replayed')).toBe(0);
  });

  it('tells of a gap when the server has started anew, and goes on', async () => {
    const { page, clock } = await sample.open();
    await clock.receives(1);
    await sample.restart();
    await page.getByText('Gap (epoch)').waitFor();
    await clock.receives(1);
    expect(await clock.figure('missed')).toBe(0);
  });

  it('explains in its legend every way in which it draws a second', async () => {
    const { page, clock } = await sample.open();
    const seen = new Set<string>();
    async function draws(state: string): Promise<void> {
      await until(
        `a second is drawn as ${state}`,
        async () => {
          const drawn = await page.evaluate<string[]>(DRAWN);
          for (const other of drawn) seen.add(other);
          return drawn.includes(state);
        },
        15_000,
      );
    }
    await draws('live');
    await page.click('#drop');
    await draws('replayed');
    // The browser comes back only when what it has missed has gone with the server.
    let comeBack = () => {};
    const isBack = new Promise<void>((resolve) => (comeBack = resolve));
    await page.route('**/?*', async (route) => {
      await isBack;
      await route.continue();
    });
    await page.click('#drop');
    await draws('waiting');
    await sample.restart();
    comeBack();
    await draws('gone');
    await tick(new Date(Date.now() + 10_000).toISOString());
    await draws('missing');
    expect(await clock.figure('missed')).toBeGreaterThan(0);
    expect([...seen].sort()).toEqual((await page.evaluate<string[]>(EXPLAINED)).sort());
  }, 60_000);

  it('has one text for each button', async () => {
    const { page } = await sample.open();
    const groups = await page.evaluate<{ buttons: number; texts: string[] }[]>(BUTTON_GROUPS);
    expect(groups.length).toBeGreaterThan(4);
    expect(groups.map(({ buttons, texts }) => [buttons, texts.length])).toEqual(
      groups.map(() => [1, 1]),
    );
    const texts = groups.flatMap((group) => group.texts);
    expect(texts).not.toContain('');
    expect(new Set(texts).size).toBe(groups.length);
  });

  it('comes back past a 502, and asks once more where it has been refused for good', async () => {
    const { page, clock } = await sample.open();
    await clock.receives(1);
    const isStream = (url: URL) => url.pathname === '/' && url.search !== '';
    let status = 502;
    let refusals = 0;
    await page.route(isStream, (route) => {
      refusals++;
      return route.fulfill({ status });
    });
    await page.click('#drop');
    await until('it has met a 502', () => refusals > 0, 15_000);
    expect(await page.locator('#again').isVisible()).toBe(false);
    status = 404;
    await clock.shows('Closed by the server');
    await page.unroute(isStream);
    await page.click('#again');
    await clock.shows('Connected');
    await clock.receives(2);
    await clock.expectNoHole();
    expect(await page.locator('#again').isVisible()).toBe(false);
  }, 60_000);

  it('has one connection in two tabs, each of which shows every event, also when one is closed', async () => {
    const first = await sample.open();
    await first.clock.receives(1);
    const second = await sample.openBeside(first);
    const both = [first.clock, second];
    for (const tab of both) await tab.says('tabs', 'Tabs of this page: 2.');
    for (const tab of both) await tab.says('tabs', 'to the server: 1.');
    expect(sample.app.get(SseConnections).count).toBe(1);
    for (const tab of both) await tab.receives(2);

    // Either tab ends the connection that both have.
    await second.click('drop');
    for (const tab of both) await tab.says('events', 'The connection was lost.');
    for (const tab of both) await tab.receives(3);
    for (const tab of both) await tab.expectNoHole();

    await first.page.close();
    await second.says('tabs', 'Tabs of this page: 1. Connections that they have to the server: 1.');
    await second.receives(2);
    await second.expectNoHole();
  }, 60_000);

  it.each(['light', 'dark'] as const)('is readable, %s', async (colorScheme) => {
    for (const width of [390, 1280]) {
      const viewport = { width, height: 844 };
      const { page, clock, problems } = await sample.open('/', { viewport, colorScheme });
      await clock.receives(1);
      await page.click('#job-start');
      await page.fill('#gap-id', 'x'.repeat(128));
      await page.click('#gap-form button');
      await clock.says('gap-steps', 'Up to date again.');
      await page.click('#drop');
      await clock.says('events', 'The connection was lost.');
      expect(await beyondTheirBox(page)).toEqual([]);
      expect(await faintTexts(page)).toEqual([]);
      expect(problems).toEqual([]);
    }
  });

  it('takes nothing of what anybody sends for HTML', async () => {
    const { page, clock, problems } = await sample.open();
    const html = `<img src="x" onerror="document.title = 'taken over'"><b>bold</b>`;
    await clock.receives(1);
    await tick(html);
    await clock.says('events', html);
    await page.fill('#gap-id', html);
    await page.click('#gap-form button');
    await clock.says('gap-steps', `requested: ${html}`);
    expect(problems).toEqual([]);
    await page.evaluate(`location.hash = 'job=' + encodeURIComponent(${JSON.stringify(html)})`);
    await clock.says('job-id', html);
    await clock.says('job-state', 'there is no such job');
    expect(await page.locator('img, b').count()).toBe(0);
    expect(await page.title()).toMatch(/^nestjs-event-stream/);
    expect(await page.evaluate(`'trustedTypes' in window`)).toBe(true);
    await expect(page.evaluate('document.body.innerHTML = "<b></b>"')).rejects.toThrow(
      'TrustedHTML',
    );
  });
});

/** What has to be scrolled sideways to be read. */
function beyondTheirBox(page: Page): Promise<string[]> {
  return page.evaluate(`[document.documentElement, ...document.body.querySelectorAll('*')]
    .filter((element) => element.clientWidth > 1 && element.tagName !== 'INPUT')
    .filter((element) => element.scrollWidth > element.clientWidth)
    .map((element) => element.tagName + ' ' + element.id + ' ' + element.className)`);
}

/** Texts with less contrast than WCAG 2.2 asks for (1.4.3): 4.5 to 1. */
async function faintTexts(page: Page): Promise<string[]> {
  return page.evaluate(`(() => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const rgba = (color) => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = color;
      canvas.fillRect(0, 0, 1, 1);
      return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const luminance = (color) => {
      const [r, g, b] = rgba(color).map((value) => {
        const part = value / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (element) => {
      const color = getComputedStyle(element).backgroundColor;
      return rgba(color)[3] === 255 || element.parentElement === null ? color : ground(element.parentElement);
    };
    const contrast = (element) => {
      const pair = [getComputedStyle(element).color, ground(element)].map(luminance);
      return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    };
    const hasText = (element) =>
      [...element.childNodes].some(({ nodeType, data }) => nodeType === 3 && data.trim() !== '');
    return [...document.body.querySelectorAll('*')]
      .filter((element) => hasText(element) && element.checkVisibility() && !element.matches(':disabled'))
      .filter((element) => contrast(element) < 4.5)
      .map((element) => contrast(element).toFixed(2) + ' ' + element.outerHTML.slice(0, 80));
  })()`);
}
