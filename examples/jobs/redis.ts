const { hostname, port } = new URL(process.env['REDIS_URL'] ?? 'redis://localhost:6379');

/** Where BullMQ keeps its jobs, and the log its events. */
export const redis = { host: hostname, port: Number(port || 6379) };
