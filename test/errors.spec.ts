import { describe, expect, it } from '@jest/globals';
import { isA, messageOf, received, renderError, toError } from '../src/errors.js';

const fail = (): never => {
  throw new Error('no such luck');
};

/** Values that cannot be looked at in one way or another. */
const AWKWARD: Record<string, unknown> = {
  'an object without a prototype': { __proto__: null },
  'a symbol': Symbol('x'),
  undefined,
  null: null,
  'an object whose toString throws': { toString: fail },
  'an object whose toJSON and toString throw': { toJSON: fail, toString: fail },
  'an object that gives no primitive': { toString: () => ({}), valueOf: () => ({}) },
  'a proxy whose every trap throws': new Proxy(
    {},
    { get: fail, getPrototypeOf: fail, ownKeys: fail, has: fail, getOwnPropertyDescriptor: fail },
  ),
  'a proxy of a function that was revoked': revoked(() => 1),
  'a proxy of an array that was revoked': revoked([]),
  'an error whose stack throws': Object.defineProperty(new Error('x'), 'stack', { get: fail }),
  'an error all of which throws': Object.defineProperties(new Error('x'), {
    stack: { get: fail },
    message: { get: fail },
    name: { get: fail },
  }),
  'an error whose message is an object': Object.assign(new Error('x'), { message: {}, stack: {} }),
  'a function whose name throws': Object.defineProperty(() => 1, 'name', { get: fail }),
};

function revoked(target: object): unknown {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

describe('what renders an error never throws, and always says something, of', () => {
  it.each(Object.entries(AWKWARD))('%s', (_, value) => {
    for (const text of [renderError(value), messageOf(value), received(value)]) {
      expect(typeof text).toBe('string');
      expect(text).not.toBe('');
    }
    expect(isA(value, Map)).toBe(false);
    const error = toError(value);
    expect(error.message).toEqual(expect.any(String));
    expect(String(error)).toEqual(expect.any(String));
  });
});

it('renders an error by its stack, plain data as JSON, and anything else by what it says of itself', () => {
  const error = new TypeError('bad');
  expect(renderError(error)).toBe(error.stack);
  expect(messageOf(error)).toBe('bad');
  expect(messageOf(new RangeError())).toBe('RangeError');
  expect(renderError({ code: 7 })).toBe('{"code":7}');
  expect(renderError('text')).toBe('text');
  expect(renderError(Symbol('x'))).toBe('Symbol(x)');
  expect(renderError(undefined)).toBe('undefined');
  expect(renderError(new Date(NaN))).toBe('Invalid Date');
  expect(toError(error)).toBe(error);
});
