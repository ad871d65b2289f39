/** The instances of an application under test, as its clients and publishers find them. */
export interface Instances {
  /** The URLs of those that run. */
  readonly urls: readonly string[];
  urlOf(index: number): string | undefined;
}
