import { Controller, Param, ParseIntPipe, Post } from '@nestjs/common';
import { Orders } from './orders.js';

/** What happens elsewhere in an application, so that it can be tried with curl. */
@Controller('orders/:id')
export class PaymentsController {
  constructor(private readonly orders: Orders) {}

  @Post('pay')
  async pay(@Param('id', ParseIntPipe) id: number): Promise<void> {
    await this.orders.set({ id, state: 'paid' });
  }
}
