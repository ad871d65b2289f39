import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';

@Injectable()
export class AdminGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<{ headers: { cookie?: string } }>();
    const secret = process.env['ADMIN_SECRET'];
    return secret !== undefined && headers.cookie === `admin=${secret}`;
  }
}
