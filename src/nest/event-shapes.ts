import type { Type } from '@nestjs/common';
import { messageOf, received, SseError } from '../errors.js';

/**
 * What the data of an event is: a class that `@nestjs/swagger` knows, `String`, `Number`, `Boolean` or `Date`, an
 * array of one of them, a Standard Schema that gives its JSON Schema (Zod, ArkType), or an OpenAPI schema.
 */
export type EventShape = Type | readonly [Type] | object;

/** The events of a stream, by type; those without a type are `message`. */
export type EventShapes = Readonly<Record<string, EventShape>>;

export type Schema = Readonly<Record<string, unknown>>;

interface JsonSchemaSource {
  readonly vendor: string;
  readonly jsonSchema?: {
    output(options: { target: string; libraryOptions?: object | undefined }): Schema;
  };
}

// @nestjs/swagger reads it of a class; naming it here is what lets an application do without it.
const API_SCHEMA = 'swagger/apiSchema';

const BUILT_IN = new Map<unknown, Schema>([
  [String, { type: 'string' }],
  [Number, { type: 'number' }],
  [Boolean, { type: 'boolean' }],
  [Date, { type: 'string', format: 'date-time' }],
  [Object, { type: 'object' }],
  [Array, { type: 'array', items: {} }],
]);

/** Of Zod, which refuses by default what JSON does not hold as it is: a `Date` arrives as a string. */
const ZOD_OPTIONS = {
  unrepresentable: 'any',
  override: ({ zodSchema, jsonSchema }: ZodStep) => {
    if (zodSchema.def.type === 'date') Object.assign(jsonSchema, BUILT_IN.get(Date));
  },
};

const UNDEFINED = 'undefined, which a class is that is imported in a circle';

interface ZodStep {
  readonly zodSchema: { readonly def: { readonly type: string } };
  readonly jsonSchema: object;
}

/**
 * The schema of the data of an event.
 *
 * @param name of the event, for messages
 * @throws SseError `BAD_OPTION`
 */
export function schemaOf(name: string, shape: unknown): Schema {
  if (Array.isArray(shape)) return { type: 'array', items: schemaOf(name, shape[0]) };
  const builtIn = BUILT_IN.get(shape);
  if (builtIn !== undefined) return builtIn;
  const standard = standardOf(shape);
  if (standard !== undefined) return jsonSchemaOf(name, standard);
  if (isModel(shape)) return { $ref: `#/components/schemas/${nameOf(shape)}` };
  if (typeof shape === 'object' && shape !== null) return shape as Schema;
  throw bad(name, shape === undefined ? UNDEFINED : received(shape));
}

/** The classes that `@nestjs/swagger` has to look at. */
export function modelsOf(shapes: EventShapes): Type[] {
  const elements: unknown[] = Object.values(shapes).flat();
  return elements.filter((shape): shape is Type => !BUILT_IN.has(shape) && isModel(shape));
}

function jsonSchemaOf(name: string, { vendor, jsonSchema }: JsonSchemaSource): Schema {
  if (jsonSchema === undefined) throw bad(name, `a schema of ${vendor} that gives no JSON Schema`);
  const libraryOptions = vendor === 'zod' ? ZOD_OPTIONS : undefined;
  try {
    const whole = jsonSchema.output({ target: 'draft-2020-12', libraryOptions });
    // Of the document, not of a part of it.
    const { $schema: _, ...schema } = whole;
    return schema;
  } catch (cause) {
    throw bad(name, `a schema of ${vendor} that gives none: ${messageOf(cause)}`, { cause });
  }
}

function standardOf(shape: unknown): JsonSchemaSource | undefined {
  if (shape === null || (typeof shape !== 'object' && typeof shape !== 'function'))
    return undefined;
  return (shape as { '~standard'?: JsonSchemaSource })['~standard'];
}

/** A class; an arrow function has no prototype. */
function isModel(shape: unknown): shape is Type {
  return typeof shape === 'function' && 'prototype' in shape && standardOf(shape) === undefined;
}

/** Its name in the document, which `@ApiSchema()` may have changed. */
function nameOf(model: Type): string {
  const [schema] = (Reflect.getMetadata(API_SCHEMA, model) ?? []) as { name?: string }[];
  return schema?.name ?? model.name;
}

function bad(name: string, told: string, options?: ErrorOptions): SseError {
  return new SseError(
    'BAD_OPTION',
    `@SseEvents(): '${name}' has to be a class, String, Number, Boolean or Date, an array of one, a Standard Schema that ` +
      `gives its JSON Schema, or an OpenAPI schema; received ${told}`,
    options,
  );
}
