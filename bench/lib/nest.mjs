import { NestFactory } from '@nestjs/core';

/**
 * Decorates a class in plain JavaScript.
 *
 * @param {Function} type
 * @param {ClassDecorator} decorator
 * @param {Record<string, [MethodDecorator, ParameterDecorator[]?]>} methods
 * @param {unknown[]} injected what its constructor takes
 */
export function decorate(type, decorator, methods, injected = []) {
  Reflect.defineMetadata('design:paramtypes', injected, type);
  for (const [name, [ofMethod, ofParameters = []]] of Object.entries(methods)) {
    ofParameters.forEach((ofParameter, index) => ofParameter(type.prototype, name, index));
    ofMethod(type.prototype, name, Object.getOwnPropertyDescriptor(type.prototype, name));
  }
  decorator(type);
}

/** Starts an application on Express, Nest's default. */
export async function listenNest(module) {
  const app = await NestFactory.create(module, { logger: ['error', 'warn'] });
  await app.init();
  const server = app.getHttpServer();
  await new Promise((resolve) => {
    server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve);
  });
  return { app, port: server.address().port };
}
