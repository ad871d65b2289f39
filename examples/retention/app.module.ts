import { Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { InboxController } from './inbox.controller.js';
import { PricesController } from './prices.controller.js';

@Module({
  imports: [
    SseModule.forRoot({
      history: {
        // Far too few, so that it shows what outlives them.
        maxEvents: 5,
        topics: [
          { match: 'user.*', keepEvents: 3, keepFor: 604_800_000 },
          { match: 'price', keepLatestPerKey: true },
        ],
        archive: { maxBytes: 16_777_216 },
      },
    }),
  ],
  controllers: [InboxController, PricesController],
})
export class AppModule {}
