declare module 'class-transformer/cjs/storage.js' {
  interface Metadata {
    readonly options?: {
      readonly groups?: unknown;
      readonly since?: unknown;
      readonly until?: unknown;
    };
  }

  /** What is used of class-transformer's metadata, which its public API does not give. */
  export interface MetadataStorage {
    getStrategy(type: object): 'none' | 'excludeAll' | 'exposeAll';
    getExposedProperties(type: object, transformation: number): readonly string[];
    getExcludedProperties(type: object, transformation: number): readonly string[];
    findExposeMetadata(type: object, name: string): Metadata | undefined;
    findTransformMetadatas(type: object, name: string, transformation: number): readonly unknown[];
  }

  export const defaultMetadataStorage: MetadataStorage;
}
