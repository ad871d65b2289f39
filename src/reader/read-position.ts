/**
 * How far a reader has come in its epoch. A reader has one; while its only stream is unmodified it is kept in
 * that stream's cursor, which moves it on by itself.
 */
export interface ReadPosition {
  /** What is up to here was handed out, or is not for the client. */
  offset: number;
  /** While nothing goes through operators, the offset that the client knows; -1 if it knows none. */
  told: number;
  /** Whether there was something to read, and no room for it. */
  isBehind: boolean;
}
