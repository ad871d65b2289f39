import { Agent, get } from 'node:http';

/** As browsers do, and so that a socket that is kept alive leads back to where it came from. */
const agent = new Agent({ keepAlive: true, maxSockets: Infinity });

/** An EventSource: it comes back after the delay that it was told, with its last id, to whichever instance is picked. */
export class Client {
  /** Events that came, and those of them that were not the next one. */
  events = 0;
  faults = 0;
  isOpen = false;
  #pick;
  #onReconnect;
  #retry = 1_000;
  #id = '';
  #last = 0;
  #request;
  #isStopped = false;

  /**
   * @param {() => number} pick gives the port of an instance
   * @param {() => void} onReconnect
   */
  constructor(pick, onReconnect) {
    this.#pick = pick;
    this.#onReconnect = onReconnect;
    this.#connect();
  }

  get last() {
    return this.#last;
  }

  stop() {
    this.#isStopped = true;
    this.#request.destroy();
  }

  #connect() {
    const headers = this.#id === '' ? {} : { 'last-event-id': this.#id };
    const target = { host: '127.0.0.1', port: this.#pick(), path: '/news', headers, agent };
    let hasAnswer = false;
    this.#request = get(target, (response) => {
      hasAnswer = true;
      let rest = '';
      response.setEncoding('utf8');
      response.on('data', (text) => {
        const frames = (rest + text).split('\n\n');
        rest = frames.pop();
        for (const frame of frames) this.#read(frame);
      });
      response.once('close', () => this.#comeBack());
      response.on('error', () => {});
    });
    this.#request.once('error', () => {
      if (!hasAnswer) this.#comeBack();
    });
  }

  #comeBack() {
    this.isOpen = false;
    if (this.#isStopped) return;
    setTimeout(() => {
      if (this.#isStopped) return;
      this.#onReconnect();
      this.#connect();
    }, this.#retry);
  }

  #read(frame) {
    for (const line of frame.split('\n')) {
      if (line.startsWith('retry: ')) this.#retry = Number(line.slice(7));
      else if (line.startsWith('id: ')) this.#id = line.slice(4);
      else if (line.startsWith('event: gap')) this.faults++;
      else if (line.startsWith('data: ')) this.#take(Number(line.slice(6)));
    }
    this.isOpen = true;
  }

  #take(n) {
    this.events++;
    if (this.#last !== 0 && n !== this.#last + 1) this.faults++;
    this.#last = n;
  }
}
