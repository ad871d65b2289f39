// An application of scripts/check-apm.mjs, plain JavaScript, to be imported when what traces it has begun.
import 'reflect-metadata';
import { Controller, Get, Inject, Module, Sse } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventBus, SseConnections, SseModule } from 'nestjs-event-stream';
import { concat, of, throwError } from 'rxjs';

class Routes {
  constructor(bus) {
    this.bus = bus;
  }
  news() {
    return this.bus.stream('news');
  }
  refused() {
    throw new Error('early');
  }
  late() {
    return concat(
      of({ data: 'first' }),
      throwError(() => new Error('late')),
    );
  }
  plain() {
    return 'plain';
  }
}
Controller()(Routes);
Inject(EventBus)(Routes, undefined, 0);
for (const [name, decorator] of Object.entries({
  news: Sse('news'),
  refused: Sse('refused'),
  late: Sse('late'),
  plain: Get('plain'),
})) {
  decorator(Routes.prototype, name, Object.getOwnPropertyDescriptor(Routes.prototype, name));
}

/** @param extras modules and providers beside the streams */
export async function start({ imports = [], providers = [] } = {}) {
  class Root {}
  Module({ imports: [SseModule.forRoot(), ...imports], controllers: [Routes], providers })(Root);
  const app = await NestFactory.create(Root, { logger: false });
  await app.listen(0, '127.0.0.1');
  const url = `http://127.0.0.1:${app.getHttpServer().address().port}`;
  return { app, url, bus: app.get(EventBus), connections: app.get(SseConnections) };
}

/** Asks for the route, and gives what ends it and the text so far. */
export async function open(url, path) {
  const cancel = new AbortController();
  const answer = await fetch(`${url}/${path}`, {
    signal: cancel.signal,
    headers: { accept: 'text/event-stream' },
  });
  const stream = { status: answer.status, text: '', close: () => cancel.abort() };
  stream.whole = (async () => {
    try {
      for await (const bytes of answer.body) stream.text += Buffer.from(bytes).toString();
    } catch (error) {
      if (!cancel.signal.aborted) throw error;
    }
  })();
  return stream;
}

export async function until(what, isSo) {
  const end = performance.now() + 10_000;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`not within 10 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** One line for each statement; the process fails if one does not hold. */
export function check(statement, isSo) {
  console.log(`${isSo ? 'ok    ' : 'failed'}  ${statement}`);
  if (!isSo) process.exitCode = 1;
}
