import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import type { Message, MessageObserver, RegistryPort } from '../../src/registry/message.js';
import { Registry } from '../../src/registry/registry.js';

/** A log that all instances of a test share; a test may cut an instance off, or lose what is told. */
class Wire {
  readonly told: Message[] = [];
  readonly #observers = new Map<string, MessageObserver>();
  readonly cut = new Set<string>();
  isAway = false;
  /** What gets lost on its way into the log, though who told it believes that it is there. */
  drop: ((message: Message) => boolean) | undefined;
  #at = 0;

  port(instance: string): RegistryPort {
    return {
      instance,
      publish: (message) => this.#publish(message),
      listen: (observer) => this.#observers.set(instance, observer),
    };
  }

  gap(instance: string): void {
    this.#observers.get(instance)?.onGap();
  }

  #publish(message: Message): Promise<void> {
    if (this.isAway || this.cut.has(message.by)) return Promise.reject(new Error('away'));
    if (this.drop?.(message) === true) return Promise.resolve();
    this.told.push(message);
    const copy: unknown = JSON.parse(JSON.stringify(message));
    this.#at++;
    for (const [instance, observer] of this.#observers) {
      if (!this.cut.has(instance)) observer.onMessage(copy, this.#at);
    }
    return Promise.resolve();
  }
}

const LEASE = 3_000;

let wire: Wire;
let registries: Registry<string>[];

beforeEach(() => {
  jest.useFakeTimers();
  wire = new Wire();
  registries = [];
});

afterEach(() => {
  for (const registry of registries) void registry.close();
  jest.useRealTimers();
});

function join(instance: string) {
  const known = new Set<string>();
  const events: string[] = [];
  const registry = new Registry<string>(wire.port(instance), LEASE, {
    onRegister: ({ by, key, value }) => {
      known.add(`${by}${key}=${value}`);
      events.push(`+${by}${key}`);
    },
    onUnregister: ({ by, key, value }) => {
      known.delete(`${by}${key}=${value}`);
      events.push(`-${by}${key}`);
    },
  });
  registries.push(registry);
  return { registry, known, events };
}

const pass = (milliseconds: number) => jest.advanceTimersByTimeAsync(milliseconds);

it('tells all instances the same, in the same order', async () => {
  const [a, b] = [join('a'), join('b')];
  a.registry.register('1', 'x');
  b.registry.register('1', 'y');
  await pass(500);
  a.registry.register('2', 'x');
  a.registry.unregister('1');
  await pass(500);
  expect([...a.known].sort()).toEqual(['a2=x', 'b1=y']);
  expect(b.known).toEqual(a.known);
  expect(b.events).toEqual(a.events);
});

it('tells many at once', async () => {
  const [a, b] = [join('a'), join('b')];
  await pass(500);
  const before = wire.told.length;
  for (let n = 0; n < 1_000; n++) a.registry.register(`${n}`, 'x');
  await pass(250);
  expect(b.known.size).toBe(1_000);
  expect(wire.told.length - before).toBeLessThanOrEqual(2);
});

it('gives who begins what the others have, with when it was', async () => {
  const a = join('a');
  a.registry.register('1', 'x');
  await pass(1_000);
  const c = join('c');
  await pass(500);
  expect(c.known).toEqual(new Set(['a1=x']));
  expect(a.events).toEqual(['+a1']);
});

it('forgets the dead with their lease, once, and none before', async () => {
  const [a, b] = [join('a'), join('b')];
  b.registry.register('1', 'x');
  await pass(LEASE * 2);
  wire.cut.add('b');
  await pass(LEASE / 2);
  expect(a.known.size).toBe(1);
  await pass(LEASE);
  expect(a.events).toEqual(['+b1', '-b1']);
});

it('believes who comes back from the dead', async () => {
  const [a, b] = [join('a'), join('b')];
  b.registry.register('1', 'x');
  await pass(100);
  wire.cut.add('b');
  await pass(LEASE * 2);
  expect(a.known.size).toBe(0);
  wire.cut.delete('b');
  await pass(LEASE);
  expect([...a.known]).toEqual(['b1=x']);
  expect(b.events).toEqual(['+b1']);
});

it('takes nobody for dead while it hears nothing itself', async () => {
  const [a, b] = [join('a'), join('b')];
  b.registry.register('1', 'x');
  await pass(100);
  wire.isAway = true;
  await pass(LEASE * 5);
  wire.isAway = false;
  await pass(LEASE * 2);
  expect(a.events).toEqual(['+b1']);
  expect(b.events).toEqual(['+b1']);
});

it('tells what could not be told when it can', async () => {
  const [a, b] = [join('a'), join('b')];
  b.registry.register('1', 'x');
  await pass(500);
  wire.isAway = true;
  b.registry.unregister('1');
  b.registry.register('2', 'x');
  await pass(500);
  wire.isAway = false;
  await pass(LEASE);
  expect([...a.known]).toEqual(['b2=x']);
});

it('asks everybody when something may be missing', async () => {
  const [a, b] = [join('a'), join('b')];
  b.registry.register('1', 'x');
  b.registry.register('2', 'x');
  await pass(500);
  wire.cut.add('a');
  wire.cut.delete('b');
  b.registry.unregister('1');
  b.registry.register('3', 'x');
  await pass(500);
  wire.cut.delete('a');
  wire.gap('a');
  await pass(500);
  expect([...a.known].sort()).toEqual(['b2=x', 'b3=x']);
});

it('is forgotten at once by leaving, and leaves when nobody can be told', async () => {
  const [a, b] = [join('a'), join('b')];
  b.registry.register('1', 'x');
  await pass(500);
  await b.registry.close();
  expect(a.events).toEqual(['+b1', '-b1']);
  wire.port('a').publish = () => new Promise(() => {});
  const closed = a.registry.close();
  await pass(600);
  await closed;
});

it.each([
  null,
  'text',
  { by: 1 },
  { by: 'z', lease: 1, add: ['x'] },
  { by: 'z', lease: 1, remove: [1] },
])('takes what another version says for nothing: %j', async (data) => {
  const observers: MessageObserver[] = [];
  const port = {
    ...wire.port('a'),
    listen: (observer: MessageObserver) => void observers.push(observer),
  };
  const registered: string[] = [];
  const observer = {
    onRegister: ({ key }: { key: string }) => registered.push(key),
    onUnregister() {},
  };
  registries.push(new Registry(port, LEASE, observer));
  observers[0]?.onMessage(data, 1);
  expect(registered).toEqual([]);
});

it('asks again when its question was lost', async () => {
  const [a, b] = [join('a'), join('b')];
  a.registry.register('1', 'x');
  await pass(500);
  wire.cut.add('b');
  a.registry.register('2', 'y');
  await pass(500);
  wire.gap('b');
  await pass(250);
  wire.cut.delete('b');
  await pass(LEASE);
  expect([...b.known].sort()).toEqual(['a1=x', 'a2=y']);
});

it('cuts all that it has into messages of a bounded size, of which nothing is known before the last', async () => {
  const a = join('a');
  for (let n = 0; n < 3_000; n++) a.registry.register(`${n}`, 'x'.repeat(40));
  await pass(1_000);
  const b = join('b');
  await pass(1_000);
  const whole = wire.told.filter(({ by, part }) => by === 'a' && part !== undefined);
  expect(whole.length).toBeGreaterThan(2);
  for (const message of wire.told) expect(JSON.stringify(message).length).toBeLessThan(70_000);
  expect(b.known).toEqual(a.known);
  a.registry.unregister('7');
  b.registry.unregister('7');
  const c = join('c');
  await pass(1_000);
  for (const { known } of [a, b, c]) expect(known.size).toBe(2_999);
  expect(b.events.filter((event) => event.startsWith('-'))).toEqual(['-a7']);
});

it('asks again for all of which a part is missing', async () => {
  const a = join('a');
  for (let n = 0; n < 3_000; n++) a.registry.register(`${n}`, 'x'.repeat(40));
  await pass(1_000);
  wire.drop = ({ part }) => part?.[0] === 2;
  const b = join('b');
  await pass(250);
  expect(b.known.size).toBe(0);
  wire.drop = undefined;
  await pass(1_000);
  expect(b.known).toEqual(a.known);
});
