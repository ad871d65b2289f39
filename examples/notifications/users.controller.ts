import { Body, Controller, Param, Post } from '@nestjs/common';
import { Notifier } from './notifier.service.js';
import { SignOut } from './sign-out.service.js';

/** What happens elsewhere in an application, so that it can be tried with curl. */
@Controller('users/:id')
export class UsersController {
  constructor(
    private readonly notifier: Notifier,
    private readonly signOut: SignOut,
  ) {}

  @Post('notifications')
  async notify(@Param('id') id: string, @Body() body: { text: string }): Promise<void> {
    await this.notifier.notify(id, body.text);
  }

  @Post('sign-out')
  async leave(@Param('id') id: string): Promise<void> {
    await this.signOut.closeStreamsOf(id);
  }
}
