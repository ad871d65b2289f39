/**
 * @param {import('node:http').Server} server
 * @returns {Promise<number>} the port
 */
export function listen(server) {
  return new Promise((resolve) => {
    server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
      resolve(server.address().port);
    });
  });
}
