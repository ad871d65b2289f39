import { Injectable } from '@nestjs/common';

export interface SignedInRequest {
  readonly headers: { readonly cookie?: string };
  user: { readonly id: string };
}

@Injectable()
export class Sessions {
  async userOf(cookie: string | undefined): Promise<{ id: string } | undefined> {
    const id = /session=(\w+)/.exec(cookie ?? '')?.[1];
    return id === undefined ? undefined : { id };
  }
}
