/** The fields of one frame of `text/event-stream`; what is undefined is left out. */
export interface FrameFields {
  readonly id?: string | undefined;
  readonly type?: string | undefined;
  /** Goes out line by line; an empty string is an event with empty data, undefined is no event. */
  readonly data?: string | undefined;
  /** Milliseconds. */
  readonly retry?: number | undefined;
  readonly comment?: string | undefined;
}

/** Of the line ends of WHATWG HTML 9.2.5 (CRLF, LF and CR alike) those that are not LF. */
const CARRIAGE_RETURN = /\r\n?/g;

/**
 * Encodes one frame, ending in the blank line that dispatches it. Without `data` a client dispatches
 * nothing, but still takes `id` and `retry` (WHATWG HTML 9.2.6).
 */
export function encodeFrame(fields: FrameFields): Buffer {
  return Buffer.from(frameText(fields), 'utf8');
}

/** What {@link encodeFrame} encodes. */
export function frameText(fields: FrameFields): string {
  let text = '';
  if (fields.comment !== undefined) text += lines(': ', fields.comment);
  if (fields.retry !== undefined) text += `retry: ${fields.retry}\n`;
  if (fields.id !== undefined) text += `id: ${fields.id.replace(/[\r\n\0]/g, '')}\n`;
  if (fields.type) text += `event: ${fields.type.replace(/[\r\n]/g, ' ')}\n`;
  if (fields.data !== undefined) text += lines('data: ', fields.data);
  return `${text}\n`;
}

function lines(prefix: string, text: string): string {
  const withLineFeeds = text.includes('\r') ? text.replace(CARRIAGE_RETURN, '\n') : text;
  return `${prefix}${withLineFeeds.replaceAll('\n', `\n${prefix}`)}\n`;
}
