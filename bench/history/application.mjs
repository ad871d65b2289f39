import 'reflect-metadata';
import { Controller, Module, Param, Sse } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventBus, SseModule } from '../../dist/index.js';

/** What decorators do where there are none. */
class TopicController {
  constructor(bus) {
    this.bus = bus;
  }

  stream(topic) {
    return this.bus.stream(topic);
  }
}
Reflect.decorate([Controller('topics')], TopicController);
Reflect.defineMetadata('design:paramtypes', [EventBus], TopicController);
Param('topic')(TopicController.prototype, 'stream', 0);
const descriptor = Object.getOwnPropertyDescriptor(TopicController.prototype, 'stream');
Reflect.decorate([Sse(':topic')], TopicController.prototype, 'stream', descriptor);

/** An application that streams any topic, and counts how often its archive is read. */
export async function start(backplane, history) {
  class BenchModule {}
  const imports = [SseModule.forRoot({ backplane, history })];
  Reflect.decorate([Module({ imports, controllers: [TopicController] })], BenchModule);
  const options = { logger: ['error'], forceCloseConnections: true };
  const app = await NestFactory.create(BenchModule, options);
  await app.listen(0, '127.0.0.1');
  let reads = 0;
  const { archive } = backplane;
  const read = archive.read.bind(archive);
  archive.read = (query) => {
    reads++;
    return read(query);
  };
  return { app, bus: app.get(EventBus), readsOf: () => reads };
}
