import { expect, it } from '@jest/globals';
import { Deadlines } from '../../src/presence/deadlines.js';
import { until } from '../support/until.js';

it('calls for each when its time has come, for none that was put off or taken back, and for none when closed', async () => {
  const due: string[] = [];
  const deadlines = new Deadlines<string>((item) => due.push(item));
  for (const item of ['first', 'taken back', 'put off']) deadlines.set(item, 10);
  deadlines.clear('taken back');
  deadlines.set('put off', 60_000);
  await until('the first is due', () => due.length > 0);
  expect(due).toEqual(['first']);
  expect(['taken back', 'put off'].map((item) => deadlines.has(item))).toEqual([false, true]);
  deadlines.close();
  // Somebody leaves an instance that has been closed.
  deadlines.set('late', 0);
  expect(deadlines.has('late')).toBe(false);
});
