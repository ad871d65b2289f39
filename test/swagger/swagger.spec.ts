import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  type INestApplication,
  type MessageEvent,
  Module,
  RequestMethod,
  Sse,
  type Type,
  VersioningType,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  ApiExtraModels,
  ApiProperty,
  ApiSchema,
  ApiUnauthorizedResponse,
  DocumentBuilder,
  type OpenAPIObject,
  SwaggerModule,
} from '@nestjs/swagger';
import { EMPTY, type Observable } from 'rxjs';
import { type } from 'arktype';
import * as v from 'valibot';
import { z } from 'zod';
import { type EventShapes, SseEvents, SseModule } from 'nestjs-event-stream';
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

class Refusal {
  @ApiProperty()
  why!: string;
}

/** As routes are in applications: with a version, more responses than one, and decorators in any order. */
@Controller({ path: 'versioned', version: '2' })
class VersionedController {
  @Sse('above')
  @ApiUnauthorizedResponse({ type: Refusal })
  @SseEvents({ price: PriceDto })
  above(): Observable<MessageEvent> {
    return EMPTY;
  }

  @SseEvents({ closed: ClosedDto })
  @SseEvents({ price: PriceDto })
  @ApiUnauthorizedResponse({ type: Refusal })
  @ApiExtraModels(PriceDto)
  @Sse('below')
  below(): Observable<MessageEvent> {
    return EMPTY;
  }
}

@Module({ controllers: [VersionedController] })
class VersionedModule {}

@Module({ imports: [SseModule.forRoot(), VersionedModule], controllers: [PriceController] })
class PriceModule {}

describe('@SseEvents()', () => {
  let app: INestApplication;

  afterEach(() => app.close());

  async function documentOf(version: string): Promise<OpenAPIObject> {
    const module = await Test.createTestingModule({ imports: [PriceModule] }).compile();
    app = module.createNestApplication();
    app.enableVersioning({ type: VersioningType.URI });
    await app.listen(0, '127.0.0.1');
    return documentAgain(version);
  }

  function documentAgain(version: string, include: Type[] = []): OpenAPIObject {
    const config = new DocumentBuilder().setOpenAPIVersion(version).build();
    return SwaggerModule.createDocument(app, config, { include });
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
      expect(Object.keys(components?.schemas ?? {}).sort()).toEqual([
        'Closed',
        'PriceDto',
        'Refusal',
      ]);
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

  it('leaves what other decorators say of a route, wherever it stands, in each of several documents', async () => {
    await documentOf('3.1.0');
    const some = withItemSchemas(documentAgain('3.2.0', [VersionedModule]));
    expect(Object.keys(some.paths)).toEqual(['/v2/versioned/above', '/v2/versioned/below']);
    for (const { get } of Object.values(some.paths)) {
      expect(get?.responses).toMatchObject({
        200: { content: { 'text/event-stream': {} } },
        401: { content: { 'application/json': {} } },
      });
    }
    expect(some.paths['/v2/versioned/below']?.get?.responses[200]).toMatchObject({
      description: 'A stream of events: `price`, `closed`',
    });
    expect(Object.keys(some.components?.schemas ?? {}).sort()).toEqual([
      'Closed',
      'PriceDto',
      'Refusal',
    ]);
    expect(withItemSchemas(some)).toEqual(some);
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

describe('the shape of an event', () => {
  /** The schema of the data of an event, as it is in the document. */
  function schemaOf(shape: unknown): unknown {
    class Route {
      @SseEvents({ price: shape as object })
      price(): void {}
    }
    const handler = Object.getOwnPropertyDescriptor(Route.prototype, 'price')?.value as object;
    const { 200: ok } = Reflect.getMetadata('swagger/apiResponse', handler) as Record<
      number,
      { content: Record<string, { 'x-itemSchema': { oneOf: { properties: object }[] } }> }
    >;
    const data = ok?.content['text/event-stream']?.['x-itemSchema'].oneOf[0]?.properties;
    return (data as { data: { contentSchema?: unknown } }).data.contentSchema;
  }

  const object = (properties: object) => ({
    type: 'object',
    properties,
    required: Object.keys(properties),
  });
  const time = { type: 'string', format: 'date-time' };

  it.each([
    ['Date', Date, time],
    ['Object', Object, { type: 'object' }],
    ['an array', [Number], { type: 'array', items: { type: 'number' } }],
    [
      'Zod, of what arrives',
      z.object({ at: z.date(), length: z.string().transform((text) => text.length) }),
      { ...object({ at: time, length: {} }), additionalProperties: false },
    ],
    ['ArkType', type({ cents: 'number' }), object({ cents: { type: 'number' } })],
    ['OpenAPI', { $ref: '#/components/schemas/Other' }, { $ref: '#/components/schemas/Other' }],
  ])('is that of %s', (_, shape, expected) => {
    expect(schemaOf(shape)).toEqual(expected);
  });

  it.each([
    ['a class that is imported in a circle', undefined, 'in a circle'],
    ['null', null, 'null'],
    ['a name', 'PriceDto', '"PriceDto"'],
    ['a function that gives a class', () => PriceDto, 'a function'],
    ['an empty array', [], 'in a circle'],
    ['a schema without a JSON Schema', v.object({ cents: v.number() }), 'valibot'],
  ])('is refused where there is none: %s', (_, shape, told) => {
    expect(() => schemaOf(shape)).toThrow(
      expect.objectContaining({
        code: 'BAD_OPTION',
        message: expect.stringMatching(new RegExp(`'price'.*${told}`)) as unknown,
      }),
    );
  });

  it('is said of routes', () => {
    expect(() => SseEvents(undefined as unknown as EventShapes)).toThrow('received undefined');
    const onClass = SseEvents({ price: String }) as unknown as ClassDecorator;
    expect(() => onClass(PriceDto)).toThrow('not on a class');
  });
});
