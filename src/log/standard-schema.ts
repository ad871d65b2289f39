import { isThenable, messageOf, received, SseError } from '../errors.js';

/** A place in data that a schema complains of. */
type Step = PropertyKey | { readonly key: PropertyKey };

interface Issue {
  readonly message: string;
  readonly path?: readonly Step[] | undefined;
}

type Result =
  { readonly value: unknown; readonly issues?: undefined } | { readonly issues: readonly Issue[] };

/**
 * What Zod, Valibot, ArkType and others are, as far as it is needed here: version 1 of
 * {@link https://standardschema.dev Standard Schema}.
 */
export interface StandardSchema {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => Result | Promise<Result>;
  };
}

/** The schema that the data of each event type has to meet; an event without a type is a `message`. */
export type EventSchemas = Readonly<Record<string, StandardSchema>>;

export function isStandardSchema(value: unknown): value is StandardSchema {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return false;
  const { '~standard': standard } = value as { '~standard'?: Partial<StandardSchema['~standard']> };
  return typeof standard?.validate === 'function';
}

/** @throws SseError `BAD_OPTION` */
export function checkSchemas(schemas: unknown): EventSchemas | undefined {
  if (schemas === undefined) return undefined;
  if (typeof schemas !== 'object' || schemas === null) {
    throw new SseError(
      'BAD_OPTION',
      `events has to be an object of Standard Schemas by event type; received ${received(schemas)}`,
    );
  }
  for (const [type, schema] of Object.entries(schemas)) {
    if (isStandardSchema(schema)) continue;
    throw new SseError(
      'BAD_OPTION',
      `events.${type} has to be a Standard Schema, such as one of Zod, Valibot or ArkType; received ${received(schema)}`,
    );
  }
  return Object.freeze({ ...(schemas as EventSchemas) });
}

/**
 * The event with its data as the schema of its type gives it back; an event without a schema as it is.
 *
 * @throws SseError `BAD_EVENT` that names the path and the schema's message, or why the schema cannot be asked
 */
export function validated(schemas: EventSchemas | undefined, event: unknown): unknown {
  if (schemas === undefined || typeof event !== 'object' || event === null) return event;
  const { type, data } = event as { type?: unknown; data?: unknown };
  const name = type === undefined || type === '' ? 'message' : type;
  if (typeof name !== 'string') return event;
  const schema = Object.hasOwn(schemas, name) ? schemas[name] : undefined;
  if (schema === undefined) return event;
  const result = ask(schema, name, data);
  if (result.issues === undefined) return { ...event, data: result.value };
  throw bad(name, `does not meet its schema: ${result.issues.map(describe).join('; ')}`);
}

function ask({ '~standard': standard }: StandardSchema, name: string, data: unknown): Result {
  let result: unknown;
  try {
    result = standard.validate(data);
  } catch (cause) {
    throw bad(name, `could not be checked: its schema threw ${messageOf(cause)}`, { cause });
  }
  if (isThenable(result)) {
    Promise.resolve(result).catch(() => {});
    const why = 'its schema is asynchronous, so that a later event could overtake it';
    throw bad(name, `could not be checked: ${why}`);
  }
  if (typeof result === 'object' && result !== null) return result as Result;
  throw bad(name, `could not be checked: its schema gave back ${received(result)}`);
}

function describe({ path = [], message }: Issue): string {
  const steps = path.map((step) => String(typeof step === 'object' ? step.key : step));
  return ['data', ...steps].join('.') + `: ${message}`;
}

function bad(type: string, why: string, options?: ErrorOptions): SseError {
  return new SseError('BAD_EVENT', `The event '${type}' ${why}`, options);
}
