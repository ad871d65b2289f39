import { expect, it } from '@jest/globals';
import { matching } from 'nestjs-event-stream';
import { Instance } from '../reader/recording-connection.js';
import { resolveOptions } from '../../src/nest/options.js';

const LONGEST = 'n'.repeat(1_024);
const TOO_LONG = `${LONGEST}n`;

it.each([
  { what: 'a topic', topics: (name: string) => name, event: () => ({}), code: 'BAD_TOPIC' },
  {
    what: 'one of topics',
    topics: (name: string) => ['a', name],
    event: () => ({}),
    code: 'BAD_TOPIC',
  },
  { what: 'a key', topics: () => 'a', event: (key: string) => ({ key }), code: 'BAD_EVENT' },
  { what: 'a type', topics: () => 'a', event: (type: string) => ({ type }), code: 'BAD_EVENT' },
])(
  'The length of $what is bounded, and the error says by what',
  async ({ topics, event, code }) => {
    const { bus } = await Instance.open();
    const publish = (name: string) => bus.publish(topics(name), { ...event(name), data: 1 });
    await expect(publish(LONGEST)).resolves.toMatch(/\.1$/);
    const error = { code, message: expect.stringMatching(/at most 1024 characters: received "n/) };
    await expect(publish(TOO_LONG)).rejects.toMatchObject(error);
  },
);

it('The length of what is streamed is bounded as well', async () => {
  const { bus } = await Instance.open();
  const error = expect.objectContaining({ code: 'BAD_TOPIC' });
  expect(() => bus.stream(TOO_LONG)).toThrow(error);
  expect(() => matching(TOO_LONG)).toThrow(error);
  expect(() => bus.stream(matching(LONGEST))).not.toThrow();
});

it.each([
  ['text', 'x'.repeat(1_048_576), 'x'.repeat(1_048_577)],
  ['text of several bytes', 'é'.repeat(524_288), `${'é'.repeat(524_288)}x`],
  ['JSON', ['x'.repeat(1_048_572)], ['x'.repeat(1_048_573)]],
])('An event has at most a MiB of %s', async (_, fits, not) => {
  const { bus } = await Instance.open({ maxBytes: 1e9 });
  await expect(bus.publish('a', { data: fits })).resolves.toMatch(/\.1$/);
  await expect(bus.publish('a', { data: not })).rejects.toMatchObject({
    code: 'BAD_EVENT',
    message: expect.stringMatching(/maxEventBytes \(1048576\).*received 1048577;.*raise/),
  });
});

it('The bound of an event is an option', () => {
  expect(resolveOptions().maxEventBytes).toBe(1_048_576);
  expect(resolveOptions({ maxEventBytes: 10 }).maxEventBytes).toBe(10);
  expect(() => resolveOptions({ maxEventBytes: 0 })).toThrow('maxEventBytes');
});
