import { Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { JournalBackplane } from './journal.backplane.js';
import { NewsController } from './news.controller.js';

@Module({
  imports: [SseModule.forRoot({ backplane: new JournalBackplane(process.stdout) })],
  controllers: [NewsController],
})
export class AppModule {}
