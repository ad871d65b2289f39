import { type ExecutionContext, Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { NewsController } from './news.controller.js';

/** Whoever has signed in, by what stands for a session here. */
function userOf(context: ExecutionContext): string | undefined {
  const { headers } = context.switchToHttp().getRequest<{ headers: { cookie?: string } }>();
  return /session=(\w+)/.exec(headers.cookie ?? '')?.[1];
}

@Module({
  imports: [
    SseModule.forRoot({
      identify: (context) => ({ owner: userOf(context) }),
      limits: { perOwner: 2, then: 'closeOldest' },
    }),
  ],
  controllers: [NewsController],
})
export class AppModule {}
