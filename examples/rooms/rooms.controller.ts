import { Controller, type MessageEvent, Param, Sse } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import type { Observable } from 'rxjs';

@Controller('rooms')
export class RoomsController {
  /** Where the log was when somebody joined; in a database, in truth. */
  private readonly joinedAt = new Map<string, string>();

  constructor(private readonly bus: EventBus) {}

  @Sse(':room/:member')
  messages(@Param('room') room: string, @Param('member') member: string): Observable<MessageEvent> {
    const joined = this.joinedAt.get(member) ?? this.bus.head;
    this.joinedAt.set(member, joined);
    return this.bus.stream(`room.${room}`, { notBefore: joined, from: 'earliest' });
  }
}
