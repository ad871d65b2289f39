import { type ExecutionContext, Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { NotificationsController } from './notifications.controller.js';
import { Notifier } from './notifier.service.js';
import { Sessions, type SignedInRequest } from './sessions.js';
import { SignOut } from './sign-out.service.js';
import { UsersController } from './users.controller.js';

@Module({
  imports: [
    SseModule.forRoot({
      identify: (context: ExecutionContext) => ({
        owner: context.switchToHttp().getRequest<SignedInRequest>().user.id,
      }),
    }),
  ],
  controllers: [NotificationsController, UsersController],
  providers: [Notifier, Sessions, SignOut],
})
export class AppModule {}
