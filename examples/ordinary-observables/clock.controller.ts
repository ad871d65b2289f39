import { Controller, type MessageEvent, Sse } from '@nestjs/common';
import { map, type Observable, timer } from 'rxjs';

@Controller('clock')
export class ClockController {
  @Sse()
  clock(): Observable<MessageEvent> {
    return timer(0, 1_000).pipe(map(() => ({ data: new Date().toISOString() })));
  }
}
