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

it.each([
  { missing: 'SseModule', imports: [SseRunsModule.forRoot()] },
  { missing: 'SseRunsModule', imports: [SseModule.forRoot(), SseRunsModule] },
])('says what to write where there is no $missing.forRoot()', async ({ missing, imports }) => {
  await expect(Test.createTestingModule({ imports }).compile()).rejects.toMatchObject({
    code: 'MODULE_WITHOUT_OPTIONS',
    message: expect.stringMatching(
      new RegExp(
        `imports: \\[SseModule.forRoot\\(\\), SseRunsModule.*there is no ${missing}.forRoot`,
      ),
    ),
  });
});

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
