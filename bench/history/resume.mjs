import { connect } from 'node:net';

/** The number of events until the last one is there, in their order; a gap, or a step back, makes it NaN. */
export function resume(port, { path, lastEventId, lastId }) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let [rest, events, offset, isDue] = ['', 0, 0, false];
    socket.setEncoding('utf8').on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        if (line === 'event: gap') events = NaN;
        if (line.startsWith('data: ')) events++;
        if (!line.startsWith('id: ')) continue;
        const next = Number(line.split('.').at(-1));
        if (next < offset) events = NaN;
        offset = next;
        isDue ||= line === `id: ${lastId}`;
      }
      if (isDue && rest === '') {
        socket.destroy();
        resolve(events);
      }
    });
    socket.on('error', reject);
    const head = `GET ${path} HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n`;
    socket.write(`${head}Last-Event-ID: ${lastEventId}\r\n\r\n`);
  });
}
