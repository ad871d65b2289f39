import { expect, it } from '@jest/globals';
import type { Connection } from '../../src/delivery/connection.js';
import { Attendance } from '../../src/presence/attendance.js';

it('reads a connection once, however many streams a handler opens, and not at all if it ends meanwhile', async () => {
  const asked: string[] = [];
  const entered: string[] = [];
  const isFollowed = (topic: string) => asked.push(topic) > 0;
  const attendance = new Attendance(isFollowed, {
    onEnter: (topic, owner) => entered.push(`${owner} ${topic}`),
    onExit: () => {},
    onNobody: () => {},
  });
  const visit = (owner: string) => ({ owner, tags: [], topics: [] as string[], isEnded: false });
  const [ada, bob] = [visit('ada'), visit('bob')];
  for (let n = 0; n < 100; n++) {
    ada.topics.push(`room.${n}`);
    attendance.update(ada as unknown as Connection);
  }
  bob.topics.push('room.0');
  attendance.update(bob as unknown as Connection);
  bob.isEnded = true;
  await Promise.resolve();
  expect(asked).toEqual(ada.topics);
  expect(entered).toHaveLength(100);
});
