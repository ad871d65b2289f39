import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, type MessageEvent, Sse } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { type Observable, Subject } from 'rxjs';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import { Bench, urlOf } from '../support/each-adapter.js';
import { type Judge, type Judged, judges } from '../support/judges.js';
import { until } from '../support/until.js';

const messages = new Subject<unknown>();

@Controller()
class Routes {
  constructor(private readonly bus: EventBus) {}

  @Sse('bus')
  fromBus(): Observable<MessageEvent> {
    return this.bus.stream('a');
  }

  @Sse('own')
  own(): Observable<unknown> {
    return messages;
  }
}

const ATTACK = 'data: injected';

/** Strings that end a field in a careless encoder, or that decoders are known to change. */
const TEXTS: readonly [string, string][] = [
  ['an empty string', ''],
  ['a space', ' '],
  ['leading and trailing spaces', '  a  '],
  ['a leading colon', ': a'],
  ['a field', 'id: 7'],
  ['LF', `a\nb`],
  ['CR', `a\rb`],
  ['CRLF', `a\r\nb`],
  ['CR, CRLF', `a\r\r\nb`],
  ['only line ends', '\n\n\r\n'],
  ['an event after a blank line', `a\n\nevent: injected\n${ATTACK}\n\n`],
  ['an event after CR CR', `a\r\revent: injected\r${ATTACK}\r\r`],
  ['an id after a line end', 'a\nid: injected'],
  ['NUL', 'a\0b'],
  ['U+2028 and U+2029', 'a\u2028b\u2029c'],
  ['U+0085, VT and FF', 'a\u0085b\vc\fd'],
  ['a byte order mark', '\uFEFFa'],
  ['astral characters', '𝒳🎉'],
  ['a chunk of HTTP', '0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n'],
  ['1 MiB', 'x'.repeat(1_048_576)],
  ['10,000 lines', 'ab\n'.repeat(10_000)],
];

/** What an EventSource makes of a text: every line end is a line feed to it. */
const lineFeeds = (text: string) => text.replace(/\r\n|\r/g, '\n');

const bench = new Bench(() => new ExpressAdapter());

describe.each(judges)('as %s sees it,', (_, connect) => {
  let judge: Judge;

  // In this order: undici opens another connection for one that is dropped, and keeps it for 4 s.
  afterEach(async () => {
    await bench.stop();
    judge.close();
  });

  async function start(path: string, types: readonly string[]): Promise<EventBus> {
    const app = await bench.start({ controllers: [Routes], sse: { maxEventBytes: 2_097_152 } });
    judge = connect(`${urlOf(app)}${path}`, types);
    await until('a connection', () => app.get(SseConnections).count === 1);
    if (path === '/own') await until('a subscription', () => messages.observed);
    return app.get(EventBus);
  }

  async function received(count: number): Promise<readonly Judged[]> {
    await until(`${count} events`, () => judge.received.length >= count);
    return judge.received;
  }

  it('published text arrives as it was published, and nothing besides', async () => {
    const bus = await start('/bus', ['injected', 'end']);
    const expected: Judged[] = [];
    for (const [, text] of TEXTS) {
      const lastEventId = await bus.publish('a', { data: text });
      expected.push({ type: 'message', data: lineFeeds(text), lastEventId });
    }
    const end = await bus.publish('a', { type: 'end', data: 'end' });
    expected.push({ type: 'end', data: 'end', lastEventId: end });
    const events = await received(expected.length);
    TEXTS.forEach(([name], index) =>
      expect({ name, ...events[index] }).toEqual({ name, ...expected[index] }),
    );
    expect(events).toHaveLength(expected.length);
  });

  it('published objects arrive to the letter, whatever their strings hold', async () => {
    const bus = await start('/bus', ['injected']);
    const objects = TEXTS.map(([, text]) => ({ [`key ${text.slice(0, 100)}`]: [text] }));
    for (const data of objects) await bus.publish('a', { data });
    const events = await received(objects.length);
    expect(events.map(({ data }) => JSON.parse(data) as unknown)).toEqual(objects);
  });

  it('types arrive as they were published, if they can be sent at all', async () => {
    const types = ['a b', ' a', 'a:b', ': a', 'id', 'NUL\0NUL', 'U\u2028+', '𝒳', '__proto__'];
    const bus = await start('/bus', types);
    for (const type of types) await bus.publish('a', { type, data: type });
    const events = await received(types.length);
    expect(events.map(({ type }) => type)).toEqual(types);
    expect(events.map(({ data }) => data)).toEqual(types);
  });

  it('nothing that an ordinary Observable puts into type, id, retry or comment gets out of its field', async () => {
    const hostile = ['\n', '\r', '\r\n', '\n\n', '\r\r', '\0\n'].map(
      (end) => `a${end}event: injected${end}${ATTACK}${end}${end}`,
    );
    const spaced = hostile.map((text) => text.replace(/[\r\n]/g, ' '));
    await start('/own', ['injected', 'end', ...spaced]);
    for (const text of hostile) {
      messages.next({ type: text, data: 'type' });
      messages.next({ id: text, data: 'id' });
      messages.next({ retry: `1\n\n${ATTACK}\n\n`, data: 'retry' });
      messages.next({ comment: text });
      messages.next({ comment: text, data: 'comment' });
    }
    messages.next({ type: 'end', data: 'end' });
    await until('the end', () => judge.received.some(({ type }) => type === 'end'));
    const events = judge.received;
    expect(events.map(({ data }) => data)).toEqual([
      ...hostile.flatMap(() => ['type', 'id', 'retry', 'comment']),
      'end',
    ]);
    expect(events.filter(({ data }) => data === 'type').map(({ type }) => type)).toEqual(spaced);
    const ids = events.filter(({ data }) => data === 'id').map(({ lastEventId }) => lastEventId);
    expect(ids).toEqual(hostile.map((text) => text.replace(/[\r\n\0]/g, '')));
  });

  it('values of every kind from an ordinary Observable arrive as text or JSON', async () => {
    await start('/own', ['7', 'of a class', '[object Object]']);
    const named = { toString: () => 'of a class' };
    const values: [unknown, string | undefined][] = [
      ['text', 'text'],
      [7, '7'],
      [false, 'false'],
      [null, 'null'],
      [{ data: '' }, ''],
      [{ data: null }, 'null'],
      [{ data: { deep: ['\r\n'] } }, '{"deep":["\\r\\n"]}'],
      [{ data: 10n }, undefined],
      [{ data: () => 1 }, undefined],
      [{ type: 7, data: 'numeric type' }, 'numeric type'],
      [{ type: null, id: null, data: 'none' }, 'none'],
      [{ type: {}, data: 'an object as type' }, 'an object as type'],
      [{ type: named, id: named, data: 'named' }, 'named'],
      [{ type: Object.create(null) as object, data: 'unprintable type' }, undefined],
      [undefined, undefined],
      ['after', 'after'],
    ];
    for (const [value] of values) messages.next(value);
    await until('the last one', () => judge.received.some(({ data }) => data === 'after'));
    expect(judge.received.map(({ data }) => data)).toEqual(
      values.map(([, text]) => text).filter((text) => text !== undefined),
    );
    // Identifiers of databases are such objects.
    const of = judge.received.find(({ data }) => data === 'named');
    expect(of).toMatchObject({ type: 'of a class', lastEventId: 'of a class' });
    expect(bench.logs.find('error', 'not what JSON can hold')).toHaveLength(2);
    expect(bench.logs.find('error', 'Cannot convert object to primitive value')).toHaveLength(1);
  });
});
