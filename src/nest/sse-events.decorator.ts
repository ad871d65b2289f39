import { applyDecorators, HttpStatus, SetMetadata, type Type } from '@nestjs/common';

/**
 * What the data of an event is: a class that `@nestjs/swagger` knows, `String`, `Number` or `Boolean`, an
 * array of one of them, a Standard Schema that gives its JSON Schema (Zod), or an OpenAPI schema.
 */
export type EventShape = Type | readonly [Type] | object;

/** The events of a stream, by type; those without a type are `message`. */
export type EventShapes = Readonly<Record<string, EventShape>>;

type Schema = Readonly<Record<string, unknown>>;

// @nestjs/swagger reads these of a handler; naming them here is what lets an application do without it.
const API_RESPONSE = 'swagger/apiResponse';
const API_EXTRA_MODELS = 'swagger/apiExtraModels';
const API_SCHEMA = 'swagger/apiSchema';

const PRIMITIVES = new Map<unknown, Schema>([
  [String, { type: 'string' }],
  [Number, { type: 'number' }],
  [Boolean, { type: 'boolean' }],
]);

/**
 * Says which events an `@Sse()` route sends, for the OpenAPI document of `@nestjs/swagger`: a 200 of
 * `text/event-stream`, whatever the method, with the schema of each event. It changes nothing else, and does
 * without `@nestjs/swagger`. The schemas are in `x-itemSchema`; for a document of OpenAPI 3.2,
 * `withItemSchemas()` of `nestjs-event-stream/swagger` makes them its `itemSchema`.
 *
 * @example @SseEvents({ price: PriceDto, closed: ClosedDto })
 */
export function SseEvents(events: EventShapes): MethodDecorator {
  const names = Object.keys(events).map((type) => `\`${type}\``);
  const content = {
    'text/event-stream': {
      schema: { type: 'string' },
      'x-itemSchema': { oneOf: Object.entries(events).map(itemOf) },
    },
  };
  const description = `A stream of events: ${names.join(', ')}`;
  return applyDecorators(
    SetMetadata(API_RESPONSE, { [HttpStatus.OK]: { description, content } }),
    SetMetadata(API_EXTRA_MODELS, Object.values(events).map(elementOf).filter(isModel)),
  );
}

/** An event as OpenAPI 3.2 sees it: its fields, of which `data` is text. */
function itemOf([type, shape]: [string, EventShape]): Schema {
  const schema = schemaOf(shape);
  const data =
    schema['type'] === 'string'
      ? schema
      : { type: 'string', contentMediaType: 'application/json', contentSchema: schema };
  const id = { type: 'string' };
  if (type === 'message') return { type: 'object', properties: { data, id }, required: ['data'] };
  const properties = { event: { const: type }, data, id };
  return { type: 'object', properties, required: ['event', 'data'] };
}

function schemaOf(shape: EventShape): Schema {
  if (Array.isArray(shape)) return { type: 'array', items: schemaOf(elementOf(shape)) };
  const primitive = PRIMITIVES.get(shape);
  if (primitive !== undefined) return primitive;
  if (isModel(shape)) return { $ref: `#/components/schemas/${nameOf(shape)}` };
  const { '~standard': standard } = shape as {
    '~standard'?: { jsonSchema?: { output(options: { target: string }): Schema } };
  };
  return standard?.jsonSchema?.output({ target: 'draft-2020-12' }) ?? (shape as Schema);
}

function elementOf(shape: EventShape): EventShape {
  return Array.isArray(shape) ? (shape[0] as Type) : shape;
}

function isModel(shape: EventShape): shape is Type {
  return typeof shape === 'function' && !PRIMITIVES.has(shape);
}

/** Its name in the document, which `@ApiSchema()` may have changed. */
function nameOf(model: Type): string {
  const [schema] = (Reflect.getMetadata(API_SCHEMA, model) ?? []) as { name?: string }[];
  return schema?.name ?? model.name;
}
