import { isBefore, parseCursor, type StreamPosition } from '../log/cursor.js';
import type { GapData, SseEvent } from '../log/event.js';
import type { ConnectionPort, Dialect } from '../reader/sink.js';
import type { Profile, ProfileEnd, ProfileMessage, ProfileWriter } from './profile.js';

type Result = IteratorResult<ProfileMessage, undefined>;

/** What clients are told when a part of what they read is gone. */
const GAP = 'A part of the answer is gone: ask for it again';
const FAILED = 'Internal server error';

/** A run to be streamed in a profile. */
export interface ProfiledSource {
  readonly events: AsyncIterableIterator<SseEvent, undefined>;
  readonly profile: Profile;
  /** After which place the run begins; asked when there is something of it. */
  readonly begin: () => StreamPosition | undefined;
  /** The connection that it is for; undefined if that is none of ours. */
  readonly connection: ConnectionPort | undefined;
  readonly report: (error: unknown) => void;
}

/** A run in somebody else's protocol, with nothing in it that this package says to its own clients. */
export class ProfiledStream implements AsyncIterableIterator<ProfileMessage, undefined> {
  readonly #source: ProfiledSource;
  readonly #messages: ProfileMessage[] = [];
  #writer: ProfileWriter | undefined;
  /** Where reading went on after a gap that came before anything of the run. */
  #resumedAt: StreamPosition | undefined;
  #isOver = false;

  constructor(source: ProfiledSource) {
    this.#source = source;
    source.connection?.speak?.(this.#dialect());
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Rejects with what is to be answered in the place of a stream. */
  async next(): Promise<Result> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) return { done: false, value: message };
      if (this.#isOver) return { done: true, value: undefined };
      const { done, value } = await this.#source.events.next();
      if (done !== true) this.#write(value);
      else if (this.#writer === undefined) this.#endForGood();
      else this.#break(GAP);
    }
  }

  async return(): Promise<Result> {
    this.#isOver = true;
    this.#messages.length = 0;
    await this.#source.events.return?.();
    return { done: true, value: undefined };
  }

  #write(event: SseEvent): void {
    const isGap = event.type === 'gap';
    if (isGap && this.#writer === undefined) {
      this.#resumedAt = parseCursor((event.data as unknown as GapData).resumedAt);
      return;
    }
    const isEnd = event.type === 'run-end';
    const writer = (this.#writer ??= this.#newWriter());
    if (isGap || this.#lacksStart(event)) {
      this.#break(GAP);
      return;
    }
    try {
      const messages = isEnd
        ? writer.end(event.data as unknown as ProfileEnd)
        : writer.event(event);
      this.#messages.push(...messages);
      if (isEnd) this.#close();
    } catch (error) {
      this.#source.report(error);
      this.#break(FAILED);
    }
  }

  #newWriter(): ProfileWriter {
    const { epoch, offset } = this.#source.begin() ?? { epoch: '', offset: 0 };
    return this.#source.profile.writer({ key: `${epoch}-${offset}` });
  }

  /** Whether what comes first is not the first of the run, and no end that says what went wrong. */
  #lacksStart({ type, data }: SseEvent): boolean {
    const resumedAt = this.#resumedAt;
    this.#resumedAt = undefined;
    if (resumedAt === undefined) return false;
    if (type === 'run-end' && (data as unknown as ProfileEnd).status !== 'done') return false;
    const begin = this.#source.begin();
    return begin === undefined || isBefore(begin, resumedAt);
  }

  #endForGood(): void {
    this.#isOver = true;
    this.#source.connection?.endForGood();
  }

  #break(message: string): void {
    this.#messages.push(...(this.#writer?.error(message) ?? []));
    this.#close();
  }

  #close(): void {
    this.#isOver = true;
    void this.#source.events.return?.();
  }

  #dialect(): Dialect {
    const { profile } = this.#source;
    const isWhole = () => this.#isOver && this.#messages.length === 0;
    return {
      headers: profile.headers,
      get isWhole() {
        return isWhole();
      },
      error: (message) => (isWhole() ? [] : (this.#writer ??= this.#newWriter()).error(message)),
    };
  }
}
