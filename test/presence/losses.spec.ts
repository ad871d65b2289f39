import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { formatCursor } from '../../src/log/cursor.js';
import { toRecord } from '../../src/log/event-record.js';
import type { LogSink } from 'nestjs-event-stream';
import { PRESENCE_TOPIC, toldTopic } from '../../src/presence/presence-log.js';
import { Broker, BrokerBackplane } from '../backplane/broker.js';
import { Random } from '../model/random.js';
import { until } from '../support/until.js';
import { Instance, type Line, SlowBackplane } from './instance.js';
import { RoomModel } from './rooms.js';

const TOPIC = 'room.7';
const FROM = 50;

let broker: Broker;
let instance: Instance;
let model: RoomModel;
let faults: unknown[];

beforeEach(() => {
  broker = new Broker();
});

async function start(backplane: BrokerBackplane): Promise<void> {
  instance = await Instance.start('one', backplane, { grace: 10, lease: 60_000 });
  model = new RoomModel();
  faults = [];
  instance.presence.stream(TOPIC).subscribe(({ type = 'message', data }) => {
    try {
      model.take(type, data);
    } catch (error) {
      faults.push(error);
    }
  });
  await until('it knows who is there', () => model.log.length > 0);
}

afterEach(() => instance.close());

/** Ada comes and goes where the log is this long: what is told of it is at the same offsets each time. */
async function visit(): Promise<number | undefined> {
  await until('nothing is told any more', () => instance.log.head > 0);
  while (broker.records.length < FROM) await instance.publish('other');
  instance.enter('ada', TOPIC);
  const { rooms } = instance.reception.roster;
  const since = () => rooms.get(TOPIC)?.get('ada')?.since;
  await until('ada is said to be there', () => since() === FROM + 2);
  const told = since();
  instance.exit(0);
  await until('ada has left', () => model.log.at(-1) === 'leave ada');
  return told;
}

it('tells that an owner has left, though the same was said in a log that is gone', async () => {
  await start(new BrokerBackplane(broker));
  const first = await visit();
  await broker.forget();
  await until('it is told anew', () => model.log.at(-1) === 'members ');
  expect(await visit()).toBe(first);
  expect(faults).toEqual([]);
});

it('tells nothing twice that a client reads after its instance has missed what followed', async () => {
  await start(new BrokerBackplane(broker));
  const { log } = instance;
  const join = toRecord([PRESENCE_TOPIC, toldTopic(TOPIC)], {
    type: 'join',
    key: 'bob',
    data: { topic: TOPIC, member: { owner: 'bob' } },
  });
  const { head } = log;
  // In one turn: nobody looks in between.
  log.append(head + 1, join);
  log.append(head + 2, join);
  log.lose(head + 8);
  const rooms = [[TOPIC, head + 1, null, [['bob', head + 1, { owner: 'bob' }]]]];
  const data = { upTo: head + 8, rooms };
  log.append(head + 9, toRecord([PRESENCE_TOPIC], { type: 'state', data }));
  await until('all are told anew', () => model.log.at(-1) === 'members bob');
  expect(faults).toEqual([]);
  expect(model.log).toEqual(['members ', 'gap', 'members bob']);
});

it('reads nothing into what answers another log', async () => {
  await start(new BrokerBackplane(broker));
  const { roster } = instance.reception;
  const { log } = instance;
  const topics = [PRESENCE_TOPIC, toldTopic(TOPIC)];
  const offset = log.head + 1;
  const member = { owner: 'bob' };
  log.append(
    offset,
    toRecord(topics, { type: 'join', key: 'bob', data: { topic: TOPIC, member } }),
  );
  const other = formatCursor('epoch-0', offset);
  const answers = [
    { type: 'leave', key: `${other} bob`, data: { topic: TOPIC, member } },
    { type: 'count', key: other, data: { topic: TOPIC, count: 9 } },
  ];
  for (const answer of answers) log.append(log.head + 1, toRecord(topics, answer));
  roster.catchUp();
  expect(roster.isMember(TOPIC, 'bob')).toBe(true);
  for (const index of answers.keys()) expect(roster.isTold(offset + 1 + index)).toBe(false);
});

it('tells who is there when a part of the log is lost and nobody else is there to say', async () => {
  const backplane = new SlowBackplane(broker, new Random(1), new Map<LogSink, Line>());
  await start(backplane);
  instance.enter('ada', TOPIC);
  await until('ada is there', () => model.shows(['ada']));
  backplane.miss(5);
  for (let n = 0; n < 6; n++) await instance.publish('other');
  await until('a part is missing', () => !instance.reception.roster.isKnown);
  instance.enter('bob', TOPIC);
  const members = [{ owner: 'ada' }, { owner: 'bob' }];
  expect(await instance.presence.list(TOPIC)).toEqual({ count: 2, members });
  await until('both are shown', () => model.shows(['ada', 'bob']));
  expect(faults).toEqual([]);
});

it('lets nobody wait for an answer that shuts down before there is one', async () => {
  await start(new BrokerBackplane(broker));
  broker.sinks.clear();
  const { log, presence } = instance;
  log.lose(log.head + 8);
  const list = presence.list(TOPIC);
  let isOver = false;
  presence.stream(TOPIC).subscribe({ complete: () => (isOver = true) });
  await instance.close();
  await expect(list).rejects.toMatchObject({ code: 'BACKPLANE_CLOSED' });
  await until('the stream is over', () => isOver);
});
