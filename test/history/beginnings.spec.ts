import { afterEach, describe, expect, it } from '@jest/globals';
import { delayWhen, filter, merge, Subject } from 'rxjs';
import { MemoryBackplane } from '../../src/backplane/memory.backplane.js';
import type { SseEvent } from '../../src/log/event.js';
import { matching } from '../../src/log/matching.js';
import type { TopicRetention } from '../../src/log/retention.js';
import { Instance, type RecordingConnection, turns } from '../reader/recording-connection.js';

describe('Where streams begin and end', () => {
  const backplanes: MemoryBackplane[] = [];
  let instance: Instance;

  afterEach(async () => {
    for (const backplane of backplanes.splice(0)) await backplane.close();
  });

  async function open(topics: readonly TopicRetention[], maxEvents = 3): Promise<void> {
    const backplane = new MemoryBackplane();
    backplanes.push(backplane);
    instance = await Instance.open({ maxEvents, topics }, backplane);
  }

  /** Publishes one event to each of these topics, numbered, and lets the tail trim. */
  async function publish(...topics: string[]): Promise<string[]> {
    const cursors: string[] = [];
    for (const topic of topics) {
      const data = `${topic} ${instance.log.head + 1}`;
      cursors.push(await instance.bus.publish(topic, { data }));
    }
    await turns();
    return cursors;
  }

  /** The client takes all that there is for it. */
  async function takeAll(connection: RecordingConnection): Promise<readonly string[]> {
    connection.capacity = Infinity;
    connection.isReady = true;
    connection.schedule();
    await turns();
    return connection.data;
  }

  const noise = ['noise', 'noise', 'noise'];

  it('the last n are n, also where a rule is for some of the topics only', async () => {
    await open([{ match: 'kept.*' }]);
    await publish('kept.1', 'kept.1', 'kept.1', 'kept.1', ...noise, 'other.1', 'kept.1', 'other.1');
    for (const topics of [['kept.1', 'other.1'], matching('*.1')]) {
      const connection = instance.connect((bus) => bus.stream(topics, { from: { last: 4 } }));
      await turns();
      expect(connection.data).toEqual(['kept.1 4', 'other.1 8', 'kept.1 9', 'other.1 10']);
    }
  });

  it('a time that the tail reaches back to is no gap, however much a topic lost before that', async () => {
    await open([{ match: 'nothing' }], 4);
    await publish('a', 'a', ...noise, ...noise);
    await new Promise((resolve) => setTimeout(resolve, 5));
    const since = new Date();
    await publish('noise', 'a');
    const connection = instance.connect((bus) => bus.stream('a', { from: since }));
    await turns();
    expect(connection.data).toEqual(['a 10']);
  });

  it('a time is no gap when everything has left the tail that was published before it', async () => {
    await open([{ match: 'nothing' }], 2);
    await publish('a', ...noise);
    await new Promise((resolve) => setTimeout(resolve, 5));
    const since = new Date();
    await publish('a', 'a');
    const connection = instance.connect((bus) => bus.stream('a', { from: since }));
    await turns();
    expect(connection.data).toEqual(['a 5', 'a 6']);
  });

  it('a gap that comes after the first event is not one from the start', async () => {
    await open([{ match: 'other' }]);
    const connection = instance.connect(
      (bus) => bus.stream('a', { from: 'start' }),
      undefined,
      true,
    );
    await turns();
    await publish('a');
    connection.isReady = false;
    await publish('a', ...noise);
    const [first, gap] = await takeAll(connection);
    expect(first).toBe('a 1');
    expect(gap).toContain(`"requested":"${instance.log.epoch}.1"`);
  });

  it('what is lost while a stream that asked for what there is reads, is a gap', async () => {
    await open([{ match: 'a', keepEvents: 2 }]);
    await publish('a', ...noise);
    const connection = instance.connect((bus) => bus.stream('a', { from: 'earliest' }));
    connection.isReady = false;
    await publish('a', 'a', 'a', ...noise);
    const [gap, ...data] = await takeAll(connection);
    expect(gap).toContain('trimmed');
    expect(data).toEqual(['a 6', 'a 7']);
  });

  const isDone = ({ data }: SseEvent) => data === 'a 2';

  it.each([
    ['`where`', { where: (event: SseEvent) => !isDone(event) }, () => true],
    ['an operator', {}, (event: SseEvent) => !isDone(event)],
  ])(
    'a client is told of an end that %s dropped, and does not come back to it for ever',
    async (_, options, isKept) => {
      await open([], 9);
      const connection = instance.connect((bus) =>
        bus.stream('a', { ...options, until: isDone }).pipe(filter(isKept)),
      );
      await turns();
      await publish('a', 'a', 'a');
      connection.reader?.end(true);
      expect([connection.data, connection.told]).toEqual([['a 1'], 2]);
    },
  );

  it('a client is told of the end of its topic, though an operator dropped what came before it', async () => {
    await open([], 9);
    const connection = instance.connect((bus) =>
      bus.stream('a').pipe(filter((event) => !isDone(event))),
    );
    await turns();
    await publish('a', 'a');
    await instance.bus.complete('a');
    await turns();
    connection.reader?.end(true);
    expect([connection.data, connection.told]).toEqual([['a 1'], 3]);
  });

  it('a client is not told that it has caught up while operators hold what came before an end', async () => {
    await open([], 9);
    const gate = new Subject<void>();
    await publish('a', 'a', 'b');
    const from = 'start';
    const connection = instance.connect((bus) =>
      merge(
        bus.stream('a', { from, until: isDone, announce: true }).pipe(delayWhen(() => gate)),
        bus.stream('b', { from }),
      ),
    );
    await turns();
    expect(connection.frames.join('')).not.toContain('caught-up');
    gate.next();
    await turns();
    expect(connection.data.slice(1, 4)).toEqual(['b 3', 'a 1', 'a 2']);
    expect(connection.frames.at(-1)).toContain('caught-up');
  });

  it('a client is told of no end that its operators may yet hold', async () => {
    await open([], 9);
    const connection = instance.connect((bus) =>
      bus.stream('a', { until: isDone }).pipe(filter((event) => !isDone(event))),
    );
    await turns();
    await publish('a', 'a');
    connection.reader?.end(false);
    expect(connection.told).toBe(1);
  });

  it('nobody is sent away for an end after which a hole may have swallowed something', async () => {
    await open([], 9);
    await publish('a', 'a');
    const { log } = instance;
    log.lose(4);
    const options = { from: 'start', until: isDone } as const;
    const connection = instance.connect((bus) => bus.stream('a', options), log.cursorAt(4));
    let isSentAway = false;
    connection.endForGood = () => (isSentAway = true);
    await turns();
    await publish('a');
    expect(isSentAway).toBe(false);
    expect(connection.data).toEqual(['a 5']);
  });

  it('a topic that has ended may have been opened again in a hole', async () => {
    await open([], 9);
    await publish('a');
    await instance.bus.complete('a');
    await turns();
    const { log } = instance;
    log.lose(4);
    const connection = instance.connect((bus) => bus.stream('a'), log.cursorAt(4));
    let isSentAway = false;
    connection.endForGood = () => (isSentAway = true);
    await turns();
    await publish('a');
    expect([isSentAway, connection.data]).toEqual([false, ['a 5']]);
  });

  it('what is between two holes comes from the tail, though a page that goes beyond it has it as well', async () => {
    await open([{ match: 'a' }], 9);
    await publish('a', 'noise');
    const { log } = instance;
    log.lose(4);
    await publish('a');
    log.lose(7);
    backplanes[0]?.archive?.add(6, { topics: ['a'], text: 'a 6', isJson: false });
    await publish('noise');
    const connection = instance.connect((bus) => bus.stream('a', { from: 'start' }));
    await turns();
    expect(connection.data).toEqual(['a 1', 'a 5', 'a 6']);
  });

  it('two streams end each for itself', async () => {
    await open([], 9);
    const connection = instance.connect((bus) =>
      merge(bus.stream('a', { until: isDone }), bus.stream('b')),
    );
    await turns();
    await publish('a', 'a', 'a', 'b');
    connection.reader?.end(true);
    expect(connection.data).toEqual(['a 1', 'a 2', 'b 4']);
  });
});
