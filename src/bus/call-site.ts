/** Where the function was called that makes it; put into words when they are asked for. */
export class CallSite {
  readonly #trace: { readonly stack?: string } = {};

  constructor() {
    const { stackTraceLimit } = Error;
    // No more than are needed: they keep alive what they are calls of.
    Error.stackTraceLimit = 2;
    Error.captureStackTrace(this.#trace, CallSite);
    Error.stackTraceLimit = stackTraceLimit;
  }

  /** A function with its file and line, as the engine writes them. */
  toString(): string {
    const [, caller = 'an unknown place'] = this.#trace.stack?.match(/(?<=\bat ).+/g) ?? [];
    return caller;
  }
}
