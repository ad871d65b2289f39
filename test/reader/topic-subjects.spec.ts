import { afterEach, describe, expect, it } from '@jest/globals';
import { Subject } from 'rxjs';
import { Log } from '../../src/log/log.js';
import { TurnScheduler } from '../../src/log/turn-scheduler.js';
import { TopicSubjects } from '../../src/reader/topic-subjects.js';

const turn = new TurnScheduler();
const log = new Log({ maxEvents: 1_000, maxBytes: 1e9, maxAge: false }, turn);
const subjects = new TopicSubjects(turn);
log.reset('e', 0);

afterEach(() => log.reset('e', 0));

function append(topic: string): void {
  log.append(log.head + 1, { topics: [topic], text: 'data', isJson: false });
}

function turnOver(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('A topic that is read', () => {
  it('has one Subject, for as long as somebody reads it', () => {
    const [one, other] = [{ run() {} }, { run() {} }];
    const index = log.indexOf('a');
    expect(index.observer).toBeUndefined();
    subjects.join(index, one);
    const subject = index.observer;
    expect(subject).toBeInstanceOf(Subject);
    subjects.join(index, other);
    expect(index.observer).toBe(subject);
    subjects.leave(index, one);
    expect(index.observer).toBe(subject);
    subjects.leave(index, other);
    expect(index.observer).toBeUndefined();
  });

  it('has each reader read once for all that is added before readers read', async () => {
    const seen: number[] = [];
    const index = log.indexOf('a');
    const reader = { run: () => void seen.push(log.head) };
    subjects.join(index, reader);
    for (let count = 0; count < 10; count++) append('a');
    expect(seen).toEqual([]);
    await turnOver();
    expect(seen).toEqual([10]);
    append('a');
    await turnOver();
    expect(seen).toEqual([10, 11]);
    append('b');
    await turnOver();
    expect(seen).toEqual([10, 11]);
    subjects.leave(index, reader);
    append('a');
    await turnOver();
    expect(seen).toEqual([10, 11]);
  });

  it('tells a reader that has read in this round again, however often others were told meanwhile', async () => {
    let seen = 0;
    const index = log.indexOf('a');
    const reader = { queued: false, run: () => (seen = log.head) };
    const publisher = { queued: false, run: () => append('a') };
    const other = { queued: false, run: () => append('a') };
    subjects.join(index, reader);
    turn.add(publisher);
    turn.add(reader);
    turn.add(other);
    await turnOver();
    await turnOver();
    expect(seen).toBe(2);
    subjects.leave(index, reader);
  });
});
