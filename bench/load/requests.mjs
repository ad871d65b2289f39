import { connect } from 'node:net';

const REQUEST = 'GET /plain HTTP/1.1\r\nHost: localhost\r\n\r\n';

/** Sends requests one after the other on each of some keep-alive connections, `count` in all. */
export async function requestInLoop({ port, connections, count }) {
  let left = count;
  const one = () =>
    new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1' });
      socket.once('error', reject);
      socket.on('data', () => {
        if (left-- > 0) socket.write(REQUEST);
        else {
          socket.resetAndDestroy();
          resolve();
        }
      });
      socket.write(REQUEST);
    });
  await Promise.all(Array.from({ length: connections }, one));
}
