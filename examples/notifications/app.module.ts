import { Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { NotificationsController } from './notifications.controller.js';
import { Notifier } from './notifier.service.js';
import { Sessions } from './sessions.js';
import { SignOut } from './sign-out.service.js';
import { UsersController } from './users.controller.js';

@Module({
  imports: [SseModule.forRoot()],
  controllers: [NotificationsController, UsersController],
  providers: [Notifier, Sessions, SignOut],
})
export class AppModule {}
