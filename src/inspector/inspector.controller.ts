import {
  Body,
  type CanActivate,
  Controller,
  Get,
  Inject,
  Post,
  Query,
  Req,
  Res,
  SetMetadata,
  type Type,
  UseGuards,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { isA, messageOf, SseError } from '../errors.js';
import { Access, type InspectorRequest } from './access.js';
import { Inspection } from './inspection.js';
import { CONTENT_SECURITY_POLICY, pageFor } from './page.js';
import { PAGE_SCRIPT } from './page-script.js';
import { PAGE_STYLE } from './page-style.js';

const HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** What `@nestjs/swagger` leaves out of its document. */
const NOT_IN_OPENAPI = 'swagger/apiExcludeController';

/**
 * Answers by the adapter, past interceptors and filters of the application, which may wrap or change what they see.
 */
class InspectorController {
  constructor(
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    @Inject(Access) private readonly access: Access,
    @Inject(Inspection) private readonly inspection: Inspection,
  ) {}

  @Get()
  page(@Req() request: InspectorRequest, @Res() response: unknown): void {
    const refusal = this.access.toPage(request);
    if (refusal !== undefined) this.#reply(response, 403, 'text/plain', refusal);
    else this.#reply(response, 200, 'text/html', pageFor(request.url));
  }

  @Get('inspector.js')
  script(@Res() response: unknown): void {
    this.#reply(response, 200, 'text/javascript', PAGE_SCRIPT);
  }

  @Get('inspector.css')
  style(@Res() response: unknown): void {
    this.#reply(response, 200, 'text/css', PAGE_STYLE);
  }

  @Get('state')
  async state(
    @Query() { find, after }: { readonly find?: unknown; readonly after?: unknown },
    @Req() request: InspectorRequest,
    @Res() response: unknown,
  ): Promise<void> {
    const refusal = this.access.toData(request);
    await this.#answer(response, refusal, () =>
      this.inspection.state(
        typeof find === 'string' ? find : '',
        typeof after === 'string' ? after : undefined,
      ),
    );
  }

  @Post('publish')
  async publish(
    @Body() body: unknown,
    @Req() request: InspectorRequest,
    @Res() response: unknown,
  ): Promise<void> {
    await this.#answer(response, this.access.toAction(request), () =>
      this.inspection.publish(body),
    );
  }

  @Post('close')
  async close(
    @Body() body: unknown,
    @Req() request: InspectorRequest,
    @Res() response: unknown,
  ): Promise<void> {
    await this.#answer(response, this.access.toAction(request), () =>
      this.inspection.closeOne(body),
    );
  }

  async #answer(
    response: unknown,
    refusal: string | undefined,
    work: () => Promise<object>,
  ): Promise<void> {
    if (refusal !== undefined) {
      this.#json(response, 403, { message: refusal });
      return;
    }
    try {
      this.#json(response, 200, await work());
    } catch (error) {
      const code = isA(error, SseError) ? error.code : undefined;
      const isMistake = code === 'BAD_EVENT' || code === 'BAD_TOPIC' || code === 'BAD_OPTION';
      this.#json(response, isMistake ? 400 : 500, { message: messageOf(error) });
    }
  }

  #json(response: unknown, status: number, body: object): void {
    this.#reply(response, status, 'application/json', JSON.stringify(body));
  }

  #reply(response: unknown, status: number, type: string, body: string): void {
    const { httpAdapter } = this.host;
    for (const [name, value] of Object.entries(HEADERS))
      httpAdapter.setHeader(response, name, value);
    httpAdapter.setHeader(response, 'content-type', `${type}; charset=utf-8`);
    httpAdapter.reply(response, body, status);
  }
}

/** What decorates the controller of one module. */
export interface ControllerSetup {
  readonly path: string;
  readonly guard: CanActivate | Type<CanActivate> | undefined;
  readonly decorators: readonly ClassDecorator[];
}

/** The controller of one module: each has its own, as what decorates a class belongs to the class. */
export function controllerFor({ path, guard, decorators }: ControllerSetup): Type<unknown> {
  class SseInspectorController extends InspectorController {}
  Controller({ path, version: VERSION_NEUTRAL })(SseInspectorController);
  SetMetadata(NOT_IN_OPENAPI, [true])(SseInspectorController);
  if (guard !== undefined) UseGuards(guard)(SseInspectorController);
  for (const decorate of decorators) decorate(SseInspectorController);
  return SseInspectorController;
}
