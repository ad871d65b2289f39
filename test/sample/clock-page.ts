import { expect } from '@jest/globals';
import type { Page } from 'playwright-core';
import { until } from '../support/until.js';

/** What the page of the sample shows. */
export class ClockPage {
  constructor(private readonly page: Page) {}

  get state(): Promise<string> {
    return this.text('state');
  }

  text(id: string): Promise<string> {
    return this.page.locator(`#${id}`).innerText();
  }

  click(id: string): Promise<void> {
    return this.page.click(`#${id}`);
  }

  async figure(id: 'received' | 'replayed' | 'missed' | 'repeated'): Promise<number> {
    return Number(await this.text(id));
  }

  /** A column of the table of events, newest first, without the notes between them. */
  column(number: number): Promise<string[]> {
    return this.page.locator(`#events td:nth-child(${number}):not([colspan])`).allInnerTexts();
  }

  /** Waits for as many more events. */
  async receives(count: number): Promise<void> {
    const before = await this.figure('received');
    const isHere = async () => (await this.figure('received')) >= before + count;
    await until(`${count} more events are shown`, isHere, 15_000);
  }

  /** Waits for a text in an element of the page. */
  async says(id: string, text: string | RegExp, bound = 15_000): Promise<void> {
    const matches = (shown: string) =>
      typeof text === 'string' ? shown.includes(text) : text.test(shown);
    await until(`#${id} says '${text}'`, async () => matches(await this.text(id)), bound);
  }

  async shows(state: string): Promise<void> {
    await until(`the page shows '${state}'`, async () => (await this.state) === state, 15_000);
  }

  /** Every second is there once, in the order of the log. */
  async expectNoHole(): Promise<void> {
    expect([await this.figure('missed'), await this.figure('repeated')]).toEqual([0, 0]);
    const seconds = (await this.column(2)).filter((data) => data.endsWith('Z'));
    expectSeries(seconds.map((timestamp) => Date.parse(timestamp) / 1_000));
    const offsets = (await this.column(3)).map((id) => Number(id.split('.')[1]));
    expect(offsets).toEqual([...new Set(offsets)].sort((one, other) => other - one));
  }
}

function expectSeries(numbers: readonly number[]): void {
  const [newest = NaN] = numbers;
  expect(numbers.length).toBeGreaterThan(3);
  expect(numbers).toEqual(numbers.map((_, index) => newest - index));
}
