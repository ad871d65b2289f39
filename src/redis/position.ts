import type { Cursor } from '../log/cursor.js';

/** A position in the log with the id that the event before it has in the stream. */
export interface RedisPosition {
  readonly epoch: string;
  readonly offset: number;
  readonly id: string;
}

/** What became of one event: its cursor, or Redis' words why it was not taken. */
export type PublishAnswer = Cursor | { readonly refusal: string };

/** What the script answers: where the log ends, and what became of the events that it was given. */
export interface LogState {
  readonly end: RedisPosition;
  /** Redis' clock, in milliseconds. */
  readonly now: number;
  readonly answers: readonly PublishAnswer[];
  /** Why the log takes no event at all, if an event was refused for such a reason. */
  readonly refusal: string | undefined;
  /** What Redis refused after the events were kept: the log could not be trimmed. */
  readonly trouble: string | undefined;
}

export function parseState(reply: unknown): LogState {
  const [epoch, offset, id, now, answers, trouble] = reply as [
    ...[epoch: string, offset: string, id: string, now: string],
    ...[answers: (Cursor | [refusal: string, ofAny?: 1])[], trouble: string | null],
  ];
  const refused = answers.find((each) => typeof each !== 'string' && each[1] === 1);
  return {
    end: { epoch, offset: Number(offset), id },
    now: Number(now),
    answers: answers.map((each) => (typeof each === 'string' ? each : { refusal: each[0] })),
    refusal: refused?.[0],
    trouble: trouble ?? undefined,
  };
}
