/** A frame of `text/event-stream` as the checker reads it, also one that dispatches nothing. */
export interface Frame {
  readonly id: string | undefined;
  readonly type: string;
  readonly data: string | undefined;
}

/** Cuts text into frames; an implementation of its own, so that it shares no mistake with the package. */
export class FrameCutter {
  #rest = '';

  cut(text: string): Frame[] {
    const parts = (this.#rest + text).split('\n\n');
    this.#rest = parts.pop() ?? '';
    return parts.map(frameOf);
  }
}

function frameOf(part: string): Frame {
  let id: string | undefined;
  let type = 'message';
  let data: string | undefined;
  for (const line of part.split('\n')) {
    if (line.startsWith('id: ')) id = line.slice(4);
    else if (line.startsWith('event: ')) type = line.slice(7);
    else if (line.startsWith('data: ')) data = (data ?? '') + line.slice(6);
  }
  return { id, type, data };
}
