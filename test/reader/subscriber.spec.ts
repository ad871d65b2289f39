import { describe, expect, it } from '@jest/globals';
import type { History } from '../../src/log/log-sink.js';
import { Desk, turns } from './recording-connection.js';

/** Somebody whose handler has returned `bus.stream('a')` as it is. */
async function open(history: Partial<History> = {}) {
  const desk = await Desk.open(history);
  const seat = desk.seat((bus) => bus.stream('a'), undefined, true);
  await turns();
  const publish = (topic: string, data: number) => desk.bus.publish(topic, { data });
  return { desk, seat, publish };
}

describe('A stream that a handler returns as it is', () => {
  it('goes out as it is, what was published together in one piece', async () => {
    const { seat, publish } = await open();
    const pieces: number[] = [];
    const { send } = seat;
    seat.send = (frames) => {
      pieces.push(frames.frames.length);
      send.call(seat, frames);
    };
    await publish('a', 1);
    await turns();
    for (const data of [2, 3, 4]) await publish('a', data);
    await publish('b', 5);
    await turns();
    expect(seat.data).toEqual(['1', '2', '3', '4']);
    expect(pieces).toEqual([1, 3]);
  });

  it('gives its place in a heartbeat, and not twice', async () => {
    const { seat, publish } = await open();
    await publish('a', 1);
    await turns();
    seat.beat();
    expect(seat.frames).toHaveLength(2);
    await publish('b', 2);
    await turns();
    seat.beat();
    seat.beat();
    expect(seat.frames).toHaveLength(3);
    expect(seat.told).toBe(2);
  });

  it('has a gap when what did not fit was trimmed, though there is room again before it is its turn', async () => {
    const { desk, seat, publish } = await open({ maxEvents: 2 });
    await publish('a', 0);
    await turns();
    seat.capacity = 1;
    for (const data of [1, 2, 3, 4, 5]) await publish('a', data);
    await turns();
    expect(seat.data).toEqual(['0', '1']);
    const run = () => {
      seat.isReady = true;
      seat.capacity = Infinity;
      seat.schedule();
    };
    desk.turn.add({ queued: false, run });
    void publish('a', 6);
    await turns();
    const [gap, ...rest] = seat.frames.slice(3);
    expect(gap).toMatch(/^id: \w+\.4\nevent: gap\ndata: {"reason":"trimmed"/);
    expect(rest.map((frame) => /data: (.*)/.exec(frame)?.[1])).toEqual(['4', '5', '6']);
  });

  it('has a gap when another log begins, and goes on in it', async () => {
    const { desk, seat, publish } = await open();
    await publish('a', 1);
    await turns();
    desk.log.reset('another', 0);
    await publish('a', 2);
    await turns();
    expect(seat.frames.at(-2)).toMatch(/^id: another\.0\nevent: gap\ndata: {"reason":"epoch"/);
    expect(seat.data.at(-1)).toBe('2');
  });

  it('is not read any more when its connection has gone', async () => {
    const { desk, seat, publish } = await open();
    seat.leave();
    await publish('a', 1);
    await turns();
    expect(seat.data).toEqual([]);
    expect(desk.log.indexOf('a').observer).toBeUndefined();
  });
});
