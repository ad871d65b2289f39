/** One frame of `text/event-stream`. */
export interface Frame {
  readonly id: string | undefined;
  readonly type: string;
  /** Undefined for a frame without data, which dispatches nothing; its id counts all the same. */
  readonly data: string | undefined;
}

/**
 * Reads frames out of bytes, wherever these are cut (WHATWG HTML 9.2.6). What is not a whole frame counts for
 * nothing, its id neither.
 *
 * @param onRetry called with milliseconds
 */
export function frameReader(onRetry: (retry: number) => void): (bytes: Uint8Array) => Frame[] {
  const decoder = new TextDecoder();
  /** Of a line; grows without being looked at again. */
  let rest = '';
  let id: string | undefined;
  let type = '';
  let data: string | undefined;

  return (bytes) => {
    const frames: Frame[] = [];
    const text = decoder.decode(bytes, { stream: true });
    rest += text;
    // A carriage return at the end may be half of a line break.
    const lines = /[\r\n]/.test(text) ? rest.split(/\r?\n|\r(?!$)/) : [rest];
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const [field, value = ''] = line.split(/: ?(.*)/s);
      if (!line) {
        frames.push({ id, type: type || 'message', data });
        id = data = undefined;
        type = '';
      }
      if (field === 'data') data = data === undefined ? value : data + '\n' + value;
      if (field === 'event') type = value;
      if (field === 'id' && !value.includes('\0')) id = value;
      if (field === 'retry' && /^\d+$/.test(value)) onRetry(+value);
    }
    return frames;
  };
}
