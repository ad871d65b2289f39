import { beforeEach, expect, it } from '@jest/globals';
import { formatCursor } from '../../src/log/cursor.js';
import { toRecord } from '../../src/log/event-record.js';
import { internalRetention } from '../../src/log/internal-topics.js';
import { Log } from '../../src/log/log.js';
import { TurnScheduler } from '../../src/log/turn-scheduler.js';
import {
  nameOf,
  PRESENCE_TOPIC,
  statePartsOf,
  toldTopic,
  type ToldState,
} from '../../src/presence/presence-log.js';
import { Roster } from '../../src/presence/roster.js';

const TOPIC = 'room.7';

let log: Log;
let told: string[];

beforeEach(() => {
  log = new Log({ maxEvents: 100, maxBytes: 2 ** 20, maxAge: false }, new TurnScheduler());
  log.reset('a', 0);
  told = [];
});

function newRoster(): Roster {
  const roster = new Roster(log, {
    onChange: (topic, owner) => {
      told.push(`${roster.isMember(topic, owner) ? '+' : '-'}${owner}`);
    },
    onRoomChange: (topic) => told.push(roster.isCounted(topic) ? 'counted' : 'named'),
    onKnown: (isKnown) => told.push(isKnown ? 'known' : 'unknown'),
    onAsk: () => told.push('asked'),
  });
  roster.catchUp();
  return roster;
}

/** @returns the offset */
function add(type: string | undefined, data: object, key?: string): number {
  const isTold = type !== undefined && 'topic' in data;
  const topics = isTold ? [PRESENCE_TOPIC, toldTopic(TOPIC)] : [PRESENCE_TOPIC];
  const offset = log.head + 1;
  log.append(offset, toRecord(topics, { data, ...(type && { type }), ...(key && { key }) }));
  return offset;
}

const cursor = (offset: number) => formatCursor(log.epoch, offset);
const join = (owner: string) => add('join', { topic: TOPIC, member: { name: owner } }, owner);
const leave = (owner: string, since: number) =>
  add('leave', { topic: TOPIC, member: { name: owner } }, `${cursor(since)} ${owner}`);
const count = (since: number) => add('count', { topic: TOPIC, count: 9 }, cursor(since));
const startList = (since: number) => add('members', { topic: TOPIC, members: [] }, cursor(since));
/** An instance says that it has them. */
const say = (owner: string) => add(undefined, { by: 'x', lease: 1, add: [[nameOf(TOPIC, owner)]] });

function voidOf(roster: Roster, ...offsets: number[]): boolean[] {
  roster.catchUp();
  return offsets.map((offset) => !roster.isTold(offset));
}

it('keeps nothing beyond the tail, whatever a topic and an owner are called', () => {
  for (const topic of ['keep', 'keep.7', 'whole.7'])
    expect(internalRetention(toldTopic(topic), '999999~ada')).toBeUndefined();
});

it('has nobody join twice, nor leave twice', () => {
  const roster = newRoster();
  const first = join('ada');
  const again = join('ada');
  const left = leave('ada', again);
  const leftAgain = leave('ada', again);
  expect(voidOf(roster, first, again, left, leftAgain)).toEqual([false, true, false, true]);
  expect(told).toEqual(['known', '+ada', '-ada']);
  expect(roster.rooms.size).toBe(0);
});

it('has nobody leave of whom there is later word', () => {
  const roster = newRoster();
  const first = join('ada');
  const word = say('ada');
  expect(voidOf(roster, leave('ada', first))).toEqual([true]);
  expect(roster.isMember(TOPIC, 'ada')).toBe(true);
  expect(voidOf(roster, leave('ada', word))).toEqual([false]);
});

it('counts a topic, and names its members anew, once for each time that it is said', () => {
  const roster = newRoster();
  const since = join('ada');
  const [counted, late] = [count(since), count(since)];
  const joined = join('bob');
  expect(voidOf(roster, counted, late, joined)).toEqual([false, true, true]);
  expect(roster.isCounted(TOPIC)).toBe(true);
  const [named, again] = [startList(counted), startList(counted)];
  expect(voidOf(roster, named, again, join('bob'))).toEqual([false, true, false]);
  expect(told).toEqual(['known', '+ada', 'counted', 'named', '+bob']);
});

it('takes what another instance says was told, and what came after that', () => {
  const first = newRoster();
  join('ada');
  first.catchUp();
  const state: ToldState = first.state;
  join('bob');
  say('ada');
  log.reset('a', 50);
  const second = newRoster();
  expect(second.isKnown).toBe(false);
  join('cleo');
  add('state', { ...state, upTo: log.head - 1 });
  const left = leave('ada', 1);
  second.catchUp();
  expect(second.isKnown).toBe(true);
  expect(second.base).toBe(50);
  expect([...(second.rooms.get(TOPIC)?.owners ?? [])]).toEqual(['cleo']);
  expect(second.isTold(left)).toBe(true);
});

it('takes what was told of many members in parts, when it has all of them', () => {
  log = new Log({ maxEvents: 100, maxBytes: 2 ** 26, maxAge: false }, new TurnScheduler());
  log.reset('a', 50);
  const owners = Array.from({ length: 10_000 }, (_, n) => `owner-${n}`);
  const members = owners.map((owner, n) => [owner, n, { owner }] as const);
  const parts = statePartsOf({
    upTo: 50,
    rooms: [
      ['room.1', 1, 600, []],
      [TOPIC, 1, null, members],
    ],
  });
  expect(parts.length).toBeGreaterThan(5);
  for (const part of parts) expect(JSON.stringify(part).length).toBeLessThan(70_000);
  const roster = newRoster();
  for (const part of parts.slice(1)) add('state', part);
  roster.catchUp();
  expect(roster.isKnown).toBe(false);
  for (const part of parts) {
    expect(roster.stateAt).toBe(0);
    add('state', part);
    roster.catchUp();
  }
  expect(roster.isKnown).toBe(true);
  expect([...(roster.rooms.get(TOPIC)?.owners ?? [])]).toEqual(owners);
  expect(roster.isCounted('room.1')).toBe(true);
  expect(roster.stateAt).toBe(50);
});

it('does not take what reaches not as far as its log', () => {
  log.reset('a', 50);
  const roster = newRoster();
  add('state', { upTo: 40, rooms: [] });
  roster.catchUp();
  expect(roster.isKnown).toBe(false);
  add('state', { upTo: 50, rooms: [] });
  roster.catchUp();
  expect(roster.isKnown).toBe(true);
});

it('knows nothing any more when a part of the log is missing, nor of another log', () => {
  const roster = newRoster();
  join('ada');
  roster.catchUp();
  log.lose(10);
  join('bob');
  roster.catchUp();
  expect(roster.isKnown).toBe(false);
  expect(roster.rooms.size).toBe(0);
  log.reset('b', 0);
  roster.catchUp();
  expect(roster.isKnown).toBe(true);
  expect(told).toEqual(['known', '+ada', 'unknown', 'known']);
});

it('does not take what reaches not as far as a hole in its log: what was told in there is not known', () => {
  const roster = newRoster();
  join('ada');
  const state = { upTo: log.head, rooms: [[TOPIC, 1, null, [['ada', 1, { name: 'ada' }]]]] };
  log.lose(10);
  add('state', state);
  roster.catchUp();
  expect(roster.isKnown).toBe(false);
  add('state', { ...state, upTo: 10 });
  roster.catchUp();
  expect(roster.isKnown).toBe(true);
});

it('makes do with what follows a hole when nobody answers, and with no less than that', () => {
  const roster = newRoster();
  join('ada');
  log.lose(10);
  join('bob');
  roster.catchUp();
  expect(roster.isKnown).toBe(false);
  roster.assume();
  expect(roster.isKnown).toBe(true);
  expect([...(roster.rooms.get(TOPIC)?.owners ?? [])]).toEqual(['bob']);
  expect(told).toEqual(['known', 'unknown', 'known', '+bob']);
});

it('lets nobody wait any more when it is closed', async () => {
  log.reset('a', 50);
  const roster = newRoster();
  const waiting = roster.whenKnown();
  roster.close();
  expect(await waiting).toBe(false);
  expect(await roster.whenKnown()).toBe(false);
});

it('makes do with its log when nobody answers', () => {
  log.reset('a', 50);
  const roster = newRoster();
  join('ada');
  const left = leave('bob', 7);
  roster.assume();
  expect(roster.isMember(TOPIC, 'ada')).toBe(true);
  expect(roster.isTold(left)).toBe(false);
  expect(roster.base).toBe(log.head);
});
