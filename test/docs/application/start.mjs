// Starts one application with everything that the snippets beside this file export.
import { readdirSync } from 'node:fs';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CqrsModule, EventBus as CqrsEventBus } from '@nestjs/cqrs';
import { EventBus, SseModule } from 'nestjs-event-stream';

const files = readdirSync(import.meta.dirname).filter((name) =>
  /\.(controller|service|guard|handler)\.js$|^(jobs|language-model|orders|sessions|translator)\.js$/.test(
    name,
  ),
);
const exported = {};
for (const file of files) Object.assign(exported, await import(`./${file}`));
const classes = Object.values(exported);
const controllers = classes.filter((type) => Reflect.hasMetadata('__controller__', type));
const providers = classes.filter(
  (type) => Reflect.hasMetadata('__injectable__', type) || /^Tell/.test(type.name),
);

class ApplicationModule {}
Module({ imports: [SseModule.forRoot(), CqrsModule.forRoot()], controllers, providers })(
  ApplicationModule,
);

const app = await NestFactory.create(ApplicationModule, { logger: ['error', 'warn'] });
await app.listen(0, '127.0.0.1');

const commands = {
  publish: ([topics, event]) => app.get(EventBus).publish(topics, event),
  notify: ([userId, text]) => app.get(exported.Notifier).notify(userId, text),
  signOut: ([userId]) => app.get(exported.SignOut).closeStreamsOf(userId),
  setPrice: ([symbol, cents]) => app.get(exported.PricesController).set(symbol, cents),
  ship: (ids) => app.get(CqrsEventBus).publish(new exported.OrderShipped(...ids)),
};
process.on('message', async ([command, ...parameters]) => {
  process.send((await commands[command](parameters)) ?? null);
});
process.send(await app.getUrl());
