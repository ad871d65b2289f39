/** Where the public method was called whose private part makes it; put into words when they are asked for. */
export class CallSite {
  readonly #trace: { readonly stack?: string } = {};

  constructor() {
    const { stackTraceLimit } = Error;
    // No more than are needed: they keep alive what they are calls of.
    Error.stackTraceLimit = 3;
    Error.captureStackTrace(this.#trace, CallSite);
    Error.stackTraceLimit = stackTraceLimit;
  }

  /** A function with its file and line, as the engine writes them. */
  toString(): string {
    const [, , caller = 'an unknown place'] = this.#trace.stack?.match(/(?<=\bat ).+/g) ?? [];
    return caller;
  }
}
