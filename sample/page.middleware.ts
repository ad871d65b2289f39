import { join } from 'node:path';
import { Injectable, type NestMiddleware } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';

/** Answers `/` with the page for who prefers HTML; an EventSource asks for `text/event-stream` and passes. */
@Injectable()
export class PageMiddleware implements NestMiddleware {
  use(request: Request, response: Response, next: NextFunction): void {
    response.vary('Accept');
    if (request.accepts('text/event-stream', 'text/html') === 'text/html') {
      response.sendFile(join(import.meta.dirname, 'public', 'index.html'));
    } else {
      next();
    }
  }
}
