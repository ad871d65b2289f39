import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  type INestApplication,
  type MessageEvent,
  Module,
  RequestMethod,
  Sse,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  ApiProperty,
  ApiSchema,
  DocumentBuilder,
  type OpenAPIObject,
  SwaggerModule,
} from '@nestjs/swagger';
import { EMPTY, type Observable } from 'rxjs';
import { z } from 'zod';
import { SseEvents, SseModule } from 'nestjs-event-stream';
import { connectSse } from 'nestjs-event-stream/testing';
import { withItemSchemas } from 'nestjs-event-stream/swagger';

class PriceDto {
  @ApiProperty()
  cents!: number;
}

@ApiSchema({ name: 'Closed' })
class ClosedDto {
  @ApiProperty()
  at!: string;
}

@Controller()
class PriceController {
  @Sse('prices')
  @SseEvents({ price: PriceDto, closed: [ClosedDto], note: String, message: Number })
  prices(): Observable<MessageEvent> {
    return EMPTY;
  }

  @SseEvents({ price: z.object({ cents: z.number() }), raw: { type: 'boolean' } })
  @Sse('prices', { method: RequestMethod.POST })
  ask(): Observable<MessageEvent> {
    return EMPTY;
  }
}

@Module({ imports: [SseModule.forRoot()], controllers: [PriceController] })
class PriceModule {}

describe('@SseEvents()', () => {
  let app: INestApplication;

  afterEach(() => app.close());

  async function documentOf(version: string): Promise<OpenAPIObject> {
    const module = await Test.createTestingModule({ imports: [PriceModule] }).compile();
    app = module.createNestApplication();
    await app.listen(0, '127.0.0.1');
    return SwaggerModule.createDocument(
      app,
      new DocumentBuilder().setOpenAPIVersion(version).build(),
    );
  }

  const json = (contentSchema: object) => ({
    type: 'string',
    contentMediaType: 'application/json',
    contentSchema,
  });
  const id = { type: 'string' };
  const item = (event: string, data: object) => ({
    type: 'object',
    properties: { event: { const: event }, data, id },
    required: ['event', 'data'],
  });
  const ITEMS = {
    oneOf: [
      item('price', json({ $ref: '#/components/schemas/PriceDto' })),
      item('closed', json({ type: 'array', items: { $ref: '#/components/schemas/Closed' } })),
      item('note', { type: 'string' }),
      {
        type: 'object',
        properties: { data: json({ type: 'number' }), id },
        required: ['data'],
      },
    ],
  };
  const ASKED = {
    oneOf: [
      item(
        'price',
        json({
          $schema: 'https://json-schema.org/draft/2020-12/schema',
          type: 'object',
          properties: { cents: { type: 'number' } },
          required: ['cents'],
          additionalProperties: false,
        }),
      ),
      item('raw', json({ type: 'boolean' })),
    ],
  };

  it.each(['3.0.0', '3.1.0'])(
    'describes the events in a document of OpenAPI %s',
    async (version) => {
      const { paths, components } = withItemSchemas(await documentOf(version));
      expect(paths['/prices']?.get?.responses).toEqual({
        200: {
          description: 'A stream of events: `price`, `closed`, `note`, `message`',
          content: { 'text/event-stream': { schema: { type: 'string' }, 'x-itemSchema': ITEMS } },
        },
      });
      expect(paths['/prices']?.post?.responses).toMatchObject({
        200: { content: { 'text/event-stream': { 'x-itemSchema': ASKED } } },
      });
      expect(Object.keys(components?.schemas ?? {}).sort()).toEqual(['Closed', 'PriceDto']);
    },
  );

  it('gives each event its schema in a document of OpenAPI 3.2', async () => {
    const { paths } = withItemSchemas(await documentOf('3.2.0'));
    expect(paths['/prices']?.get?.responses).toMatchObject({
      200: { content: { 'text/event-stream': { itemSchema: ITEMS } } },
    });
    const content = paths['/prices']?.post?.responses[200];
    expect(content).toEqual({
      description: expect.any(String) as unknown,
      content: { 'text/event-stream': { itemSchema: ASKED } },
    });
  });

  it('says what the routes do', async () => {
    await documentOf('3.0.0');
    for (const method of ['GET', 'POST']) {
      const client = await connectSse(app, '/prices', method === 'POST' ? { body: {} } : {});
      expect(client.status).toBe(200);
      expect(client.headers['content-type']).toMatch(/^text\/event-stream/);
      await client.closed;
    }
  });
});
