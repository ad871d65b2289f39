import { describe, expect, it } from '@jest/globals';
import { toRecord } from '../../src/log/event-record.js';

const publish = (event: unknown) => () => toRecord(['a'], event);
const badEvent = (message: RegExp) =>
  expect.objectContaining({ code: 'BAD_EVENT', message: expect.stringMatching(message) });

class Money {
  constructor(
    readonly cents: number,
    readonly history?: unknown,
  ) {}
}

const faults: [what: string, value: unknown, message: RegExp][] = [
  ['a Map', new Map([['a', 1]]), /a Map, which JSON turns into \{\}: publish Object\.fromEntries/],
  ['a Set', new Set([1]), /a Set.*publish \[\.\.\.set\]/],
  ['an Error', new RangeError('secret'), /an Error, of which JSON loses the message/],
  ['NaN', Number.NaN, /NaN, which JSON turns into null/],
  ['Infinity', Infinity, /Infinity, which JSON turns into null/],
  ['-Infinity', -Infinity, /-Infinity/],
  ['an invalid date', new Date(Number.NaN), /an invalid Date, which JSON turns into null/],
  ['a promise', Promise.resolve(1), /a promise.*await it first/],
  ['a RegExp', /x/, /a RegExp/],
  ['a WeakMap', new WeakMap(), /a WeakMap/],
  ['bytes', new Uint8Array(1), /bytes, which JSON .* TextDecoderStream/],
  ['a DataView', new DataView(new ArrayBuffer(1)), /bytes/],
  ['an ArrayBuffer', new ArrayBuffer(1), /an ArrayBuffer/],
];

describe('refuses as data what JSON would change without a word:', () => {
  it.each(faults)('%s', (_, value, message) => {
    expect(publish({ data: value })).toThrow(badEvent(message));
    expect(publish({ data: { deep: [{ a: 1 }, { b: value }] } })).toThrow(
      badEvent(/\(at deep\[1\]\.b\)$/),
    );
    expect(publish({ data: [[value]] })).toThrow(badEvent(/\(at \[0\]\[0\]\)$/));
    expect(publish({ data: new Money(1, value) })).toThrow(badEvent(/\(at history\)$/));
    expect(publish({ data: { toJSON: () => ({ a: value }) } })).toThrow(badEvent(/\(at a\)$/));
    expect(publish({ data: { __proto__: null, a: value } })).toThrow(badEvent(/\(at a\)$/));
  });

  it('a Buffer, as a stream reads it; within other data it is what its toJSON says', () => {
    expect(publish({ data: Buffer.from('a') })).toThrow(badEvent(/bytes, which JSON/));
    expect(toRecord(['a'], { data: { picture: Buffer.from('a') } })).toMatchObject({
      text: '{"picture":{"type":"Buffer","data":[97]}}',
    });
  });

  it('also if it has properties of its own, as errors of many libraries have', () => {
    const error = Object.assign(new Error('x'), { code: 'ENOENT' });
    expect(publish({ data: { error } })).toThrow(badEvent(/an Error.*\(at error\)/));
  });
});

it.each<[what: string, data: unknown, text: string]>([
  ['plain data', { a: [1, null, 'x', true, { b: -0 }] }, '{"a":[1,null,"x",true,{"b":0}]}'],
  ['what has a toJSON', { at: new Date(0) }, '{"at":"1970-01-01T00:00:00.000Z"}'],
  ['an instance', new Money(7), '{"cents":7}'],
  ['a Map that says what it is', Object.assign(new Map(), { toJSON: () => ['map'] }), '["map"]'],
  ['what JSON leaves out', { a: undefined, b: () => 1 }, '{}'],
  ['null', null, 'null'],
])('takes %s', (_, data, text) => {
  expect(toRecord(['a'], { data })).toMatchObject({ text, isJson: true });
});

describe('refuses in an event', () => {
  it.each(['id', 'topics', 'event', 'retry', 'name'])('the unknown field %s', (name) => {
    expect(publish({ data: 1, [name]: 'x' })).toThrow(badEvent(new RegExp(`received '${name}'`)));
  });

  it.each(['gap', 'exception', 'ready', 'caught-up', 'run-end', 'closed', 'error', 'open'])(
    'the reserved type %s',
    (type) => {
      expect(publish({ type, data: 1 })).toThrow(badEvent(/is reserved/));
    },
  );

  it('a promise of one, and one that cannot be read', () => {
    expect(publish(Promise.resolve({ data: 1 }))).toThrow(badEvent(/received a promise/));
    const throws = {
      get data(): string {
        throw Object.create(null);
      },
    };
    expect(publish(throws)).toThrow(badEvent(/could not be read/));
  });
});
