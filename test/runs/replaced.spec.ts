import { expect, it } from '@jest/globals';
import { Inject, Injectable } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { of } from 'rxjs';
import { SseModule } from 'nestjs-event-stream';
import { SseRuns, SseRunsModule } from 'nestjs-event-stream/runs';

@Injectable()
class Answers {
  constructor(@Inject(SseRuns) private readonly runs: SseRuns) {}

  async ask(id: string): Promise<void> {
    await this.runs.start(id, of('a'));
  }
}

it('can have a mock in its place, which is asked for nothing but what the application asks for', async () => {
  const started: string[] = [];
  const module = await Test.createTestingModule({
    imports: [SseModule.forRoot(), SseRunsModule.forRoot()],
    providers: [Answers],
  })
    .overrideProvider(SseRuns)
    .useValue({ start: async (id: string) => void started.push(id) })
    .compile();
  await module.init();
  await module.get(Answers).ask('chat.1');
  expect(started).toEqual(['chat.1']);
  await module.close();
});
