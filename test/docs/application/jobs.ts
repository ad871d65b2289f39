import { Injectable } from '@nestjs/common';

@Injectable()
export class Jobs {
  start(_id: string, report: (percent: number) => Promise<unknown>): void {
    for (const percent of [10, 50, 100]) void report(percent);
  }
}
