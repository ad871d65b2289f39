/**
 * What arrives of a value that was published: what JSON gives back. A `Date` is a string; what JSON has no
 * word for is left out of an object, and is null in an array.
 */
export type Jsonify<T> = unknown extends T
  ? T
  : T extends { toJSON(...args: never[]): infer Encoded }
    ? Jsonify<Encoded>
    : T extends string | number | boolean | null
      ? T
      : T extends Unspeakable
        ? never
        : T extends readonly unknown[]
          ? { [Index in keyof T]: InArray<T[Index]> }
          : object extends T
            ? T
            : {
                [Key in keyof T as KeyOf<T, Key>]:
                  | Jsonify<Exclude<T[Key], Unspeakable>>
                  | (undefined extends T[Key] ? undefined : never);
              };

/** What JSON leaves out. */
type Unspeakable = undefined | symbol | ((...args: never[]) => unknown);

type InArray<T> = unknown extends T ? T : T extends Unspeakable ? null : Jsonify<T>;

/** A key whose value JSON can hold: a string's or a number's. */
type KeyOf<T, Key extends keyof T> = Key extends symbol
  ? never
  : unknown extends T[Key]
    ? Key
    : [T[Key]] extends [Unspeakable]
      ? never
      : Key;
