declare module 'compression' {
  import type { IncomingMessage, ServerResponse } from 'node:http';

  /** As much of it as the tests use. */
  export default function compression(options: {
    threshold: number;
    filter: () => boolean;
  }): (request: IncomingMessage, response: ServerResponse, next: () => void) => void;
}
