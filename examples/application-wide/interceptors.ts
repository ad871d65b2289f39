import { CacheInterceptor } from '@nestjs/cache-manager';
import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
} from '@nestjs/common';
import { isSseRoute } from 'nestjs-event-stream';
import { map, type Observable } from 'rxjs';

@Injectable()
export class Envelope implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (isSseRoute(context)) return next.handle();
    return next.handle().pipe(map((data: unknown) => ({ data })));
  }
}

@Injectable()
export class PageCache extends CacheInterceptor {
  protected override isRequestCacheable(context: ExecutionContext): boolean {
    return !isSseRoute(context) && super.isRequestCacheable(context);
  }
}
