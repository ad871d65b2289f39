import { describe, expect, it } from '@jest/globals';
import { BehaviorSubject, EMPTY, merge, type Observable, Subject, switchMap } from 'rxjs';
import type { EventBus } from '../../src/bus/event-bus.js';
import type { History } from '../../src/log/log-sink.js';
import { FarBackplane } from './far-backplane.js';
import { Instance, type RecordingConnection, turns } from './recording-connection.js';

/** The data of the gaps that a client was sent. */
function gapsOf({ data }: RecordingConnection): unknown[] {
  return data
    .filter((text) => text.includes('"reason"'))
    .map((text) => JSON.parse(text) as unknown);
}

async function open(history: Partial<History> = {}) {
  const backplane = new FarBackplane();
  const instance = await Instance.open(history, backplane);
  const { log } = instance;
  return {
    backplane,
    log,
    /** Somebody connects, and has been read for. */
    async connect(
      lastEventId: string,
      streams: (bus: EventBus) => Observable<unknown> = (bus) => bus.stream('a'),
    ) {
      const connection = instance.connect(streams, lastEventId);
      await turns();
      return connection;
    },
    /** Events come, of one topic, whose data are their places. */
    async come(count: number, topic = 'a') {
      for (let index = 0; index < count; index++) {
        const text = log.cursorAt(log.head + 1);
        log.append(log.head + 1, { topics: [topic], text, isJson: false });
      }
      await turns();
    },
    async replace(epoch: string, offset = 0) {
      log.reset(epoch, offset);
      await turns();
    },
    async haveCaughtUp() {
      backplane.haveCaughtUp();
      await turns();
    },
  };
}

describe('A reader whose place has not come to this instance', () => {
  it.each(['b.3', 'c.3'])('leaves the client at %s, and tells it nothing else', async (place) => {
    const { connect, come } = await open();
    const connection = await connect(place);
    await come(2);
    connection.beat();
    expect(connection.frames).toEqual([`id: ${place}\n\n`]);
  });

  it('goes on after it when the log has come to it', async () => {
    const { connect, come } = await open();
    const connection = await connect('b.3');
    await come(4);
    await come(1);
    expect(connection.data).toEqual(['b.4', 'b.5']);
  });

  it('is answered that nothing is left, and nothing before that, if its place is the end of its stream', async () => {
    const { connect, come, haveCaughtUp } = await open();
    const streams = (bus: EventBus) => bus.stream('a', { until: ({ data }) => data === 'b.3' });
    const [inTime, late] = [await connect('b.3', streams), await connect('b.3', streams)];
    late.beat();
    await come(3);
    await haveCaughtUp();
    expect([inTime.isEndedForGood, inTime.frames]).toEqual([true, []]);
    expect([late.isEndedForGood, late.frames]).toEqual([true, ['id: b.3\n\n']]);
  });

  it('goes on after it when the log that it belongs to has begun here too', async () => {
    const { connect, come, replace } = await open();
    await come(5);
    const connection = await connect('c.2');
    await replace('c');
    await come(1);
    connection.beat();
    expect(connection.frames).toEqual(['id: c.2\n\n']);
    await come(3);
    expect(connection.data).toEqual(['c.3', 'c.4']);
  });

  it('goes on also when it came with events of other topics', async () => {
    const { connect, come, replace, haveCaughtUp } = await open();
    const connection = await connect('c.2');
    await replace('c');
    await come(3, 'other');
    await haveCaughtUp();
    connection.beat();
    expect(connection.frames).toEqual(['id: c.2\n\n', 'id: c.3\n\n']);
  });

  it('has a gap when a later log begins here instead', async () => {
    const { connect, come, replace } = await open();
    const connection = await connect('c.2');
    await replace('d');
    await come(1);
    expect(gapsOf(connection)).toEqual([{ reason: 'epoch', requested: 'c.2', resumedAt: 'd.0' }]);
    expect(connection.data.slice(1)).toEqual(['d.1']);
  });

  it.each(['b.9', 'c.2'])(
    'is as a new client when it cannot come any more: %s',
    async (requested) => {
      const { connect, come, haveCaughtUp } = await open();
      await come(1);
      const connection = await connect(requested);
      await come(2);
      await haveCaughtUp();
      await come(1);
      expect(gapsOf(connection)).toEqual([{ reason: 'unknown', requested, resumedAt: 'b.1' }]);
      expect(connection.data.slice(1)).toEqual(['b.2', 'b.3', 'b.4']);
    },
  );

  it('has a gap where events that followed it have been lost meanwhile', async () => {
    const { connect, come, log } = await open();
    const connection = await connect('b.3');
    await come(2);
    log.lose(5);
    await turns();
    await come(1);
    expect(gapsOf(connection)).toEqual([{ reason: 'trimmed', requested: 'b.3', resumedAt: 'b.5' }]);
    expect(connection.data.slice(1)).toEqual(['b.6']);
  });

  it('has a gap where the log begins later than it', async () => {
    const { connect, come, replace } = await open();
    const connection = await connect('c.3');
    await replace('c', 7);
    await come(1);
    expect(gapsOf(connection)).toEqual([{ reason: 'trimmed', requested: 'c.3', resumedAt: 'c.7' }]);
    expect(connection.data.slice(1)).toEqual(['c.8']);
  });

  it('does not wait for the place of a log that is gone', async () => {
    const { connect, backplane } = await open();
    const connection = await connect('a.9');
    expect(gapsOf(connection)).toEqual([{ reason: 'epoch', requested: 'a.9', resumedAt: 'b.0' }]);
    expect(backplane.asked).toBe(0);
  });
});

describe('Streams of a reader that waits', () => {
  function withSnapshot(asked: string[]) {
    return (bus: EventBus) =>
      bus.stream('a', {
        snapshot: ({ reason }) => {
          asked.push(reason);
          return [{ data: 'state' }];
        },
      });
  }

  it('are owed no snapshot, neither while it waits nor when it goes on', async () => {
    const { connect, come } = await open();
    const asked: string[] = [];
    const connection = await connect('b.2', withSnapshot(asked));
    await come(3);
    expect([asked, connection.data]).toEqual([[], ['b.3']]);
  });

  it('are owed one when it has a gap', async () => {
    const { connect, haveCaughtUp } = await open();
    const asked: string[] = [];
    const connection = await connect('b.2', withSnapshot(asked));
    await haveCaughtUp();
    expect(asked).toEqual(['gap']);
    expect(connection.data.slice(1)).toEqual(['state']);
    expect(connection.frames.at(-1)).toContain('id: b.0\n');
  });

  it('that join meanwhile join at its place, with the snapshot that they would have had', async () => {
    const { connect, come } = await open();
    const asked: string[] = [];
    const late = new Subject<void>();
    const connection = await connect('b.2', (bus) => {
      const [joining, plain] = [withSnapshot(asked)(bus), bus.stream('c')];
      return merge(bus.stream('b'), late.pipe(switchMap(() => merge(joining, plain))));
    });
    late.next();
    await turns();
    expect(asked).toEqual([]);
    await come(1, 'c');
    await come(1, 'b');
    await come(1, 'c');
    expect(asked).toEqual(['new']);
    expect(connection.data).toEqual(['state', 'b.3']);
  });

  it('can all leave, and another takes up the wait', async () => {
    const { connect, haveCaughtUp, backplane } = await open();
    const switching = new BehaviorSubject(true);
    const connection = await connect('b.2', (bus) => {
      const stream = bus.stream('a');
      return switching.pipe(switchMap((isOn) => (isOn ? stream : EMPTY)));
    });
    switching.next(false);
    await haveCaughtUp();
    switching.next(true);
    await turns();
    connection.beat();
    expect([connection.frames, backplane.asked]).toEqual([['id: b.2\n\n'], 2]);
    await haveCaughtUp();
    expect(gapsOf(connection)).toEqual([{ reason: 'unknown', requested: 'b.2', resumedAt: 'b.0' }]);
  });
});

describe('Readers that wait', () => {
  it('ask the backplane once at a time, however many they are', async () => {
    const { connect, haveCaughtUp, backplane } = await open();
    const first = await connect('c.1');
    const others = await Promise.all(Array.from({ length: 50 }, () => connect('c.1')));
    expect(backplane.asked).toBe(1);
    await haveCaughtUp();
    expect([gapsOf(first).length, others.flatMap(gapsOf)]).toEqual([1, []]);
    expect(backplane.asked).toBe(2);
    await haveCaughtUp();
    expect(others.flatMap(gapsOf)).toHaveLength(50);
  });

  it('and are gone leave nothing to ask for', async () => {
    const { connect, haveCaughtUp, backplane } = await open();
    await connect('c.1');
    const others = await Promise.all(Array.from({ length: 50 }, () => connect('c.1')));
    for (const { leave } of others) leave();
    await haveCaughtUp();
    expect(backplane.asked).toBe(1);
  });
});

it('a new client that was told its place before it was read for has a gap if another log begins meanwhile', async () => {
  const instance = await Instance.open({}, new FarBackplane());
  const connection = instance.connect((bus) => bus.stream('a'));
  connection.beat();
  instance.log.append(1, { topics: ['a'], text: 'lost', isJson: false });
  instance.log.reset('c', 0);
  await turns();
  expect(connection.frames[0]).toBe('id: b.0\n\n');
  expect(gapsOf(connection)).toEqual([{ reason: 'epoch', requested: 'b.0', resumedAt: 'c.0' }]);
});
