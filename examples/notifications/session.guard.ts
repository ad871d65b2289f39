import {
  type CanActivate,
  type ExecutionContext,
  Injectable,
  UnauthorizedException,
} from '@nestjs/common';
import { Sessions, type SignedInRequest } from './sessions.js';

@Injectable()
export class SessionGuard implements CanActivate {
  constructor(private readonly sessions: Sessions) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<SignedInRequest>();
    const user = await this.sessions.userOf(request.headers.cookie);
    if (user === undefined) throw new UnauthorizedException();
    request.user = user;
    return true;
  }
}
