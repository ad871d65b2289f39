import { connect } from 'node:net';
import { MARK } from '../lib/event.mjs';

const MARK_BYTE = MARK.charCodeAt(0);
const HEAD_END = '\r\n\r\n';
/** All sockets read into the same memory: what arrives is looked at and forgotten. */
const shared = Buffer.allocUnsafeSlow(256 * 1024);

/** A client that only counts events; reading costs it little, so that the server is what is measured. */
export class Client {
  received = 0;
  /** @type {Promise<void>} */
  opened;
  isOrdered = true;
  isReading = true;
  #socket;
  #head = '';
  #isOpen = false;
  #tail = '';
  #lastN = -1;
  #onOpen;
  #onEvents;

  /**
   * @param {{ port: number, path: string, lastEventId?: string, checksOrder?: boolean }} target
   * @param {(client: Client, from: number) => void} onEvents called with the count before these events
   */
  constructor({ port, path, lastEventId, checksOrder }, onEvents) {
    this.#onEvents = onEvents;
    this.checksOrder = checksOrder;
    const callback = (length) => this.#read(length);
    this.#socket = connect({ port, host: '127.0.0.1', onread: { buffer: shared, callback } });
    this.opened = new Promise((resolve, reject) => {
      this.#onOpen = resolve;
      this.#socket.once('error', reject);
      this.#socket.once('close', () => reject(new Error('The server closed a connection')));
    });
    this.opened.catch(() => {});
    const resume = lastEventId === undefined ? '' : `Last-Event-ID: ${lastEventId}\r\n`;
    this.#socket.write(
      `GET ${path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n${resume}\r\n`,
    );
  }

  get isClosed() {
    return this.#socket.destroyed;
  }

  stopReading() {
    this.isReading = false;
    this.#socket.pause();
  }

  /** A reset leaves no TIME_WAIT behind. */
  close() {
    this.#socket.resetAndDestroy();
  }

  #read(length) {
    let start = 0;
    if (!this.#isOpen) {
      start = this.#readHead(length);
      if (!this.#isOpen) return true;
    }
    if (this.checksOrder) this.#checkOrder(shared.latin1Slice(start, length));
    const before = this.received;
    const bytes = shared.subarray(0, length);
    for (let at = bytes.indexOf(MARK_BYTE, start); at >= 0; at = bytes.indexOf(MARK_BYTE, at + 1)) {
      this.received++;
    }
    if (this.received > before) this.#onEvents(this, before);
    return true;
  }

  #readHead(length) {
    const before = this.#head.length;
    this.#head += shared.latin1Slice(0, length);
    const end = this.#head.indexOf(HEAD_END);
    if (end < 0) return 0;
    if (!this.#head.startsWith('HTTP/1.1 200')) throw new Error(`Answer: ${this.#head}`);
    this.#isOpen = true;
    this.#head = '';
    this.#onOpen();
    return end + HEAD_END.length - before;
  }

  #checkOrder(text) {
    const seen = this.#tail + text;
    let end = 0;
    for (const match of seen.matchAll(/"n":(\d+),/g)) {
      const n = Number(match[1]);
      if (this.#lastN >= 0 && n !== this.#lastN + 1) this.isOrdered = false;
      this.#lastN = n;
      end = match.index + match[0].length;
    }
    this.#tail = seen.slice(Math.max(end, seen.length - 16));
  }
}
