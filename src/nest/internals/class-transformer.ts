import type { Concealment } from '../../log/json-faults.js';

interface Metadata {
  readonly options?: {
    readonly groups?: unknown;
    readonly since?: unknown;
    readonly until?: unknown;
  };
}

/** What is used of class-transformer's metadata, which its public API does not give. */
interface MetadataStorage {
  getStrategy(type: object): 'none' | 'excludeAll' | 'exposeAll';
  getExposedProperties(type: object, transformation: number): readonly string[];
  getExcludedProperties(type: object, transformation: number): readonly string[];
  findExposeMetadata(type: object, name: string): Metadata | undefined;
  findTransformMetadatas(type: object, name: string, transformation: number): readonly unknown[];
}

/** It has no types; a name that no compiler looks for, because most applications do not have it. */
const STORAGE = ['class-transformer', 'cjs', 'storage.js'].join('/');

/** class-transformer's `TransformationType.CLASS_TO_PLAIN`. */
const TO_PLAIN = 1;

/**
 * What Nest's `ClassSerializerInterceptor` would keep from clients, and JSON would not; undefined in an
 * application without class-transformer.
 */
export async function classTransformerConcealment(): Promise<Concealment | undefined> {
  try {
    const { defaultMetadataStorage } = (await import(STORAGE)) as {
      defaultMetadataStorage: MetadataStorage;
    };
    concealedIn(defaultMetadataStorage, new Date(), { probe: 1 });
    return (instance, written) => concealedIn(defaultMetadataStorage, instance, written);
  } catch {
    return undefined;
  }
}

function concealedIn(
  storage: MetadataStorage,
  instance: object,
  written: object,
): string | undefined {
  const type: unknown = instance.constructor;
  if (typeof type !== 'function' || !isClass(type)) return undefined;
  const name = Object.keys(written).find((key) =>
    isConcealed(storage, type, key, instance === written),
  );
  return name === undefined
    ? undefined
    : `an instance of ${type.name}, whose '${name}' class-transformer hides or transforms, as ` +
        'ClassSerializerInterceptor would and publish does not: publish instanceToPlain(it), or the fields that ' +
        'clients may see';
}

/** @param isAsItIs whether no `toJSON` had a say, which may have transformed it */
function isConcealed(
  storage: MetadataStorage,
  type: object,
  name: string,
  isAsItIs: boolean,
): boolean {
  const isExposed = storage.getExposedProperties(type, TO_PLAIN).includes(name);
  if (storage.getExcludedProperties(type, TO_PLAIN).includes(name)) return true;
  if (storage.getStrategy(type) === 'excludeAll' && !isExposed) return true;
  if (!isAsItIs) return false;
  const { groups, since, until } = storage.findExposeMetadata(type, name)?.options ?? {};
  const isConditional = groups !== undefined || since !== undefined || until !== undefined;
  return isConditional || storage.findTransformMetadatas(type, name, TO_PLAIN).length > 0;
}

/** What somebody calls `constructor` in their data is none. */
function isClass(type: { readonly prototype?: unknown }): boolean {
  const prototype = type.prototype as { readonly constructor?: unknown } | null | undefined;
  return prototype?.constructor === type;
}
