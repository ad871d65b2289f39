import { Injectable } from '@nestjs/common';

@Injectable()
export class Orders {
  async all(): Promise<{ id: number; state: string }[]> {
    return [{ id: 7, state: 'paid' }];
  }
}
