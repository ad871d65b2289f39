/** What a backplane logs with; Nest's `Logger` is one. */
export interface BackplaneLogger {
  log(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** Writes to the console, for programs without Nest: what asks for attention goes to its error stream. */
export function consoleLogger(name: string): BackplaneLogger {
  const line = (message: string) => `[${name}] ${message}`;
  return {
    log: (message) => console.info(line(message)),
    warn: (message) => console.warn(line(message)),
    error: (message) => console.error(line(message)),
  };
}
