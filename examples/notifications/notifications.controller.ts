import { Controller, type MessageEvent, Req, Sse, UseGuards } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import type { Observable } from 'rxjs';
import { SessionGuard } from './session.guard.js';
import type { SignedInRequest } from './sessions.js';

@Controller('notifications')
@UseGuards(SessionGuard)
export class NotificationsController {
  constructor(private readonly bus: EventBus) {}

  @Sse()
  notifications(@Req() request: SignedInRequest): Observable<MessageEvent> {
    return this.bus.stream(['announcements', `user.${request.user.id}`]);
  }
}
