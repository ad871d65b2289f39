import { describe, expect, it } from '@jest/globals';
import type { History } from '../../src/log/log-sink.js';
import { Instance, turns } from './recording-connection.js';

/** Somebody whose handler has returned `bus.stream('a')` as it is. */
async function open(history: Partial<History> = {}) {
  const instance = await Instance.open(history);
  const connection = instance.connect((bus) => bus.stream('a'), undefined, true);
  await turns();
  const publish = (topic: string, data: number) => instance.bus.publish(topic, { data });
  return { instance, connection, publish };
}

describe('A stream that a handler returns as it is', () => {
  it('goes out as it is, what was published together in one piece', async () => {
    const { connection, publish } = await open();
    const pieces: number[] = [];
    const { send } = connection;
    connection.send = (frames) => {
      pieces.push(frames.frames.length);
      send.call(connection, frames);
    };
    await publish('a', 1);
    await turns();
    for (const data of [2, 3, 4]) await publish('a', data);
    await publish('b', 5);
    await turns();
    expect(connection.data).toEqual(['1', '2', '3', '4']);
    expect(pieces).toEqual([1, 3]);
  });

  it('gives its place in a heartbeat, and not twice', async () => {
    const { connection, publish } = await open();
    await publish('a', 1);
    await turns();
    connection.beat();
    expect(connection.frames).toHaveLength(2);
    await publish('b', 2);
    await turns();
    connection.beat();
    connection.beat();
    expect(connection.frames).toHaveLength(3);
    expect(connection.told).toBe(2);
  });

  it('has a gap when what did not fit was trimmed, though there is room again before it is its turn', async () => {
    const { instance, connection, publish } = await open({ maxEvents: 2 });
    await publish('a', 0);
    await turns();
    connection.capacity = 1;
    for (const data of [1, 2, 3, 4, 5]) await publish('a', data);
    await turns();
    expect(connection.data).toEqual(['0', '1']);
    const run = () => {
      connection.isReady = true;
      connection.capacity = Infinity;
      connection.schedule();
    };
    instance.turn.add({ queued: false, run });
    void publish('a', 6);
    await turns();
    const [gap, ...rest] = connection.frames.slice(3);
    expect(gap).toMatch(/^id: \w+\.4\nevent: gap\ndata: {"reason":"trimmed"/);
    expect(rest.map((frame) => /data: (.*)/.exec(frame)?.[1])).toEqual(['4', '5', '6']);
  });

  it('ends with its topic if it reads that as it comes, and not if it reads it when the topic is in use again', async () => {
    const { instance, connection, publish } = await open();
    const slow = instance.connect((bus) => bus.stream('a'), undefined, true);
    const isOver = ({ reader }: typeof slow) => reader?.streams.haveCompleted;
    await publish('a', 0);
    await turns();
    slow.capacity = 1;
    await publish('a', 1);
    await publish('a', 2);
    await instance.bus.complete('a');
    await publish('a', 3);
    await turns();
    expect([isOver(connection), slow.data]).toEqual([true, ['0', '1']]);
    slow.isReady = true;
    slow.capacity = Infinity;
    slow.schedule();
    await turns();
    expect([slow.data, isOver(slow)]).toEqual([['0', '1', '2', '3'], false]);
    await instance.bus.complete('a');
    await turns();
    expect(isOver(slow)).toBe(true);
  });

  it('has a gap when another log begins, and goes on in it', async () => {
    const { instance, connection, publish } = await open();
    await publish('a', 1);
    await turns();
    instance.log.reset('another', 0);
    await publish('a', 2);
    await turns();
    expect(connection.frames.at(-2)).toMatch(
      /^id: another\.0\nevent: gap\ndata: {"reason":"epoch"/,
    );
    expect(connection.data.at(-1)).toBe('2');
  });

  it('does not end for a topic that had ended in the log before, and is used in another', async () => {
    const { instance, publish } = await open();
    const connection = instance.connect((bus) => bus.stream(['a', 'b']), undefined, true);
    await turns();
    for (const data of [1, 2, 3]) await publish('a', data);
    await instance.bus.complete('b');
    await turns();
    instance.log.reset('another', 0);
    await publish('b', 4);
    await turns();
    await instance.bus.complete('a');
    await turns();
    expect(connection.reader?.streams.haveCompleted).toBe(false);
    await publish('b', 5);
    await turns();
    expect(connection.data.slice(-2)).toEqual(['4', '5']);
    await instance.bus.complete('b');
    await turns();
    expect(connection.reader?.streams.haveCompleted).toBe(true);
  });

  it('is not read any more when its connection has gone', async () => {
    const { instance, connection, publish } = await open();
    connection.leave();
    await publish('a', 1);
    await turns();
    expect(connection.data).toEqual([]);
    expect(instance.log.indexOf('a').observer).toBeUndefined();
  });
});
