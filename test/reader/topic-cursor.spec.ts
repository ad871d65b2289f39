import { expect, it } from '@jest/globals';
import { Log } from '../../src/log/log.js';
import { TurnScheduler } from '../../src/log/turn-scheduler.js';
import { TopicCursor } from '../../src/reader/topic-cursor.js';
import { TopicSubjects } from '../../src/reader/topic-subjects.js';
import { WaitingRoom } from '../../src/reader/waiting-room.js';
import { JoinedFramesCache } from '../../src/wire/joined-frames.js';

it.each([['a'], ['a', 'b']])(
  'What an unmodified stream of %s %s has not read and its topics have lost, its reader sees',
  (...topics) => {
    const turn = new TurnScheduler();
    const log = new Log({ maxEvents: 10, maxBytes: 1e9, maxAge: false }, turn);
    log.reset('e', 0);
    const context = {
      log,
      isLocal: true,
      frames: new JoinedFramesCache(),
      subjects: new TopicSubjects(turn),
      history: undefined,
      conceals: undefined,
      warnOnce: () => {},
      waitingRoom: new WaitingRoom(async () => {}),
      warn: () => {},
    };
    const [last = ''] = topics.toReversed();
    let isRead = false;
    let sent = 0;
    const outlet = { room: 1_000, isClear: () => true, send: () => (sent += 1) };
    const cursor = new TopicCursor(context, topics, { run: () => (isRead = true) });
    cursor.offset = 0;
    cursor.readAlone(outlet);
    for (const offset of [1, 2]) log.append(offset, { topics: [last], text: 'x', isJson: false });
    const index = log.indexOf(last);
    if (index.entries.oldest !== undefined) index.drop(index.entries.oldest);
    cursor.run();
    expect([isRead, sent]).toEqual([true, 0]);
    log.close();
  },
);
