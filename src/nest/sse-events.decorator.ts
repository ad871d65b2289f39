import { HttpStatus } from '@nestjs/common';
import { received, SseError } from '../errors.js';
import { type EventShapes, modelsOf, type Schema, schemaOf } from './event-shapes.js';

const EVENTS = Symbol('SseEvents');

// @nestjs/swagger reads these of a handler; naming them here is what lets an application do without it.
const API_RESPONSE = 'swagger/apiResponse';
const API_EXTRA_MODELS = 'swagger/apiExtraModels';

/**
 * Says which events an `@Sse()` route sends, for the OpenAPI document of `@nestjs/swagger`: a 200 of
 * `text/event-stream`, whatever the method, with the schema of each event. It changes nothing else, and does
 * without `@nestjs/swagger`. The schemas are in `x-itemSchema`; for a document of OpenAPI 3.2,
 * `withItemSchemas()` of `nestjs-event-stream/swagger` makes them its `itemSchema`.
 *
 * @throws SseError `BAD_OPTION` for what has no schema
 * @example @SseEvents({ price: PriceDto, closed: ClosedDto })
 */
export function SseEvents(events: EventShapes): MethodDecorator {
  if (typeof events !== 'object' || (events as unknown) === null) {
    throw new SseError(
      'BAD_OPTION',
      `@SseEvents() takes an object of shapes by event type; received ${received(events)}`,
    );
  }
  const items: Record<string, Schema> = {};
  for (const [type, shape] of Object.entries(events)) items[type] = itemOf(type, shape);
  return (_target, _name, descriptor?: { readonly value?: unknown }) => {
    const handler = descriptor?.value as object | undefined;
    if (handler === undefined) {
      throw new SseError('BAD_OPTION', '@SseEvents() stands on an @Sse() route, not on a class');
    }
    const all: Record<string, Schema> = { ...givenTo(handler, EVENTS), ...items };
    const names = Object.keys(all).map((type) => `\`${type}\``);
    const content = {
      'text/event-stream': {
        schema: { type: 'string' },
        'x-itemSchema': { oneOf: Object.values(all) },
      },
    };
    const ok = { description: `A stream of events: ${names.join(', ')}`, content };
    Reflect.defineMetadata(EVENTS, all, handler);
    // What other decorators have said of the route stays.
    Reflect.defineMetadata(
      API_RESPONSE,
      { ...givenTo(handler, API_RESPONSE), [HttpStatus.OK]: ok },
      handler,
    );
    const models = (givenTo(handler, API_EXTRA_MODELS) ?? []) as unknown[];
    Reflect.defineMetadata(API_EXTRA_MODELS, [...models, ...modelsOf(events)], handler);
  };
}

/** An event as OpenAPI 3.2 sees it: its fields, of which `data` is text. */
function itemOf(type: string, shape: unknown): Schema {
  const schema = schemaOf(type, shape);
  const isText = schema['type'] === 'string' && shape !== Date;
  const data = isText
    ? schema
    : { type: 'string', contentMediaType: 'application/json', contentSchema: schema };
  const id = { type: 'string' };
  if (type === 'message') return { type: 'object', properties: { data, id }, required: ['data'] };
  const properties = { event: { const: type }, data, id };
  return { type: 'object', properties, required: ['event', 'data'] };
}

function givenTo(handler: object, key: string | symbol): object | undefined {
  return Reflect.getMetadata(key, handler) as object | undefined;
}
