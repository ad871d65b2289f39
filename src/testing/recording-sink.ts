import assert from 'node:assert/strict';
import { LogSink } from '../log/log-sink.js';
import type { EventRecord } from '../log/entry.js';

/** What a sink was told, in its order. */
export type SinkCall =
  | { readonly kind: 'reset' | 'lose'; readonly epoch: string; readonly offset: number }
  | {
      readonly kind: 'append';
      readonly epoch: string;
      readonly offset: number;
      readonly record: EventRecord;
    };

/** A sink that keeps what it is told, and refuses what a log would refuse. */
export class RecordingSink extends LogSink {
  readonly calls: SinkCall[] = [];
  readonly #timeout: number;
  readonly #waiting = new Set<() => void>();
  #epoch = '';
  #head = 0;

  /** @param timeout bound of every wait, in milliseconds */
  constructor(timeout: number) {
    super();
    this.#timeout = timeout;
  }

  override get epoch(): string {
    return this.#epoch;
  }

  override get head(): number {
    return this.#head;
  }

  /** The data of the events of the present epoch by their offsets. */
  get held(): ReadonlyMap<number, string> {
    const held = new Map<number, string>();
    for (const call of this.calls) {
      if (call.kind === 'append' && call.epoch === this.#epoch) {
        held.set(call.offset, call.record.text);
      }
    }
    return held;
  }

  override reset(epoch: string, offset: number): void {
    assert.match(epoch, /^[A-Za-z0-9_-]{1,64}$/, 'an epoch is up to 64 of A-Z a-z 0-9 _ -');
    assert(Number.isSafeInteger(offset) && offset >= 0, `an offset is a whole number: ${offset}`);
    assert(epoch > this.#epoch, `'${epoch}' is the epoch of a later log than '${this.#epoch}'`);
    this.#epoch = epoch;
    this.#head = offset;
    this.#keep({ kind: 'reset', epoch, offset });
  }

  override append(offset: number, record: EventRecord): void {
    assert.notEqual(this.#epoch, '', 'append() comes after reset()');
    assert.equal(offset, this.#head + 1, 'an offset is the one before it and one');
    this.#head = offset;
    this.#keep({ kind: 'append', epoch: this.#epoch, offset, record });
  }

  override lose(offset: number): void {
    assert.notEqual(this.#epoch, '', 'lose() comes after reset()');
    if (offset <= this.#head) return;
    this.#head = offset;
    this.#keep({ kind: 'lose', epoch: this.#epoch, offset });
  }

  /** Resolves when the condition holds. */
  until(what: string, condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (!condition()) return;
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(look);
        const last = this.calls.slice(-5).map(({ kind, offset }) => `${kind} ${offset}`);
        const message = `${what}: not within ${this.#timeout} ms; the sink was told last: ${last.join(', ')}`;
        reject(new assert.AssertionError({ message }));
      }, this.#timeout);
      this.#waiting.add(look);
      look();
    });
  }

  #keep(call: SinkCall): void {
    this.calls.push(call);
    for (const look of this.#waiting) look();
  }
}
