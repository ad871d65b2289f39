import { existsSync } from 'node:fs';

/** @typedef {{ key: string, short: string, label: string }} Entry */

/** The floor comes first: all others are measured against it. @type {Entry[]} */
export const SERVERS = [
  { key: 'floor', short: 'floor', label: 'floor: Node, one shared buffer, socket.write' },
  { key: 'ours', short: 'nestjs-event-stream', label: 'nestjs-event-stream' },
  { key: 'nest', short: "Nest's own @Sse()", label: "Nest's own @Sse(), a Subject" },
  { key: 'better-sse', short: 'better-sse', label: 'better-sse, a channel' },
  { key: 'fastify-sse', short: '@fastify/sse', label: '@fastify/sse' },
  { key: 'sse-channel', short: 'sse-channel', label: 'sse-channel' },
  { key: 'res-write', short: 'Node, res.write', label: 'Node, res.write' },
];

/** nginx with nchan, where it is installed (Debian: nginx-light libnginx-mod-nchan). */
export const NCHAN_MODULE = '/usr/lib/nginx/modules/ngx_nchan_module.so';
if (existsSync(NCHAN_MODULE)) {
  SERVERS.push({ key: 'nchan', short: 'nchan', label: 'nchan, in nginx (C)' });
}

export const serversOf = (...keys) => keys.map((key) => SERVERS.find((entry) => entry.key === key));
