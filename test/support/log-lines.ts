import type { LoggerService } from '@nestjs/common';

type Level = 'log' | 'error' | 'warn' | 'debug' | 'verbose';

interface Line {
  readonly level: Level;
  readonly text: string;
}

/** A logger that keeps what it is told, for tests that look at it. */
export class LogLines implements LoggerService {
  readonly lines: Line[] = [];

  log(message: unknown, ...rest: unknown[]): void {
    this.#keep('log', message, rest);
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.#keep('error', message, rest);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.#keep('warn', message, rest);
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.#keep('debug', message, rest);
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.#keep('verbose', message, rest);
  }

  /** The lines of a level that hold a text. */
  find(level: Level, text: string): string[] {
    return this.lines
      .filter((line) => line.level === level && line.text.includes(text))
      .map((line) => line.text);
  }

  #keep(level: Level, message: unknown, rest: unknown[]): void {
    const text = [message, ...rest]
      .map((part) => (part instanceof Error ? (part.stack ?? part.message) : String(part)))
      .join(' ');
    this.lines.push({ level, text });
  }
}
