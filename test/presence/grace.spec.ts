import { afterEach, expect, it } from '@jest/globals';
import type { LogSink } from 'nestjs-event-stream';
import { Broker } from '../backplane/broker.js';
import { Random } from '../model/random.js';
import { elapse, until } from '../support/until.js';
import { Instance, type Line, SlowBackplane } from './instance.js';
import { RoomModel } from './rooms.js';

const instances: Instance[] = [];

afterEach(async () => {
  await Promise.all(instances.splice(0).map((instance) => instance.close()));
});

it('begins when the last instance has somebody no more, not when one is found to be dead', async () => {
  const broker = new Broker();
  const lines = new Map<LogSink, Line>();
  const dying = new SlowBackplane(broker, new Random(1), lines);
  const living = new SlowBackplane(broker, new Random(2), lines);
  const options = { grace: 900, lease: 1_000 };
  const one = await Instance.start('one', dying, options);
  const two = await Instance.start('two', living, options);
  instances.push(one, two);
  const model = new RoomModel();
  const presence = two.presence.stream('room.7');
  presence.subscribe(({ type = '', data }) => model.take(type, data));
  one.enter('ada', 'room.7');
  await until('ada is there', () => model.shows(['ada']));
  await elapse(30);
  dying.die();
  two.enter('ada', 'room.7');
  await elapse(300);
  two.exit(0);
  // The lease of the other one is over meanwhile, and the grace after it as well.
  await elapse(790);
  two.enter('ada', 'room.7');
  two.enter('bob', 'room.7');
  await until('bob is there', () => model.shows(['ada', 'bob']));
  expect(model.log).not.toContain('leave ada');
});
