import { type Cluster, Redis } from 'ioredis';

/** What is used of an ioredis client, single or Cluster. */
export interface RedisClient {
  readonly status: string;
  connect(): Promise<void>;
  disconnect(): void;
  call(command: string, ...args: (string | number)[]): Promise<unknown>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  once(event: 'end', listener: () => void): unknown;
}

/** What a connection is for, as `CLIENT LIST` shows it. */
export type Role = 'publish' | 'read';

/** How long, in milliseconds, a server that answers nothing may hold a connection that is being closed. */
const DISCONNECT_TIMEOUT = 100;

/**
 * A new connection with the user's settings. It does not reconnect, queue or resend by itself: what is sent
 * again, and when, is for the backplane to know.
 */
export function newClient(source: string | Redis | Cluster, role: Role): RedisClient {
  const overrides = {
    lazyConnect: true,
    retryStrategy: () => null,
    sentinelRetryStrategy: () => null,
    reconnectOnError: null,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    enableAutoPipelining: false,
    connectionName: `nestjs-event-stream:${role}`,
    disconnectTimeout: DISCONNECT_TIMEOUT,
    // The replies that are parsed here look the same with every version of ioredis in RESP 2 only.
    protocol: 2 as const,
    stringNumbers: false,
    readOnly: false,
    monitor: false,
    // A read that waits for events is no hanging command.
    commandTimeout: undefined,
    blockingTimeout: undefined,
    socketTimeout: undefined,
  };
  if (typeof source === 'string') return new Redis(source, overrides);
  if (!isCluster(source)) return source.duplicate(overrides);
  // ioredis 5 takes them in the place of the application's, 6 adds them.
  const redisOptions: typeof overrides = { ...source.options.redisOptions, ...overrides };
  return source.duplicate([], {
    lazyConnect: true,
    clusterRetryStrategy: () => null,
    enableOfflineQueue: false,
    enableAutoPipelining: false,
    scaleReads: 'master',
    redisOptions,
  });
}

/** Where a connection goes, for messages; never a password. */
export function describeSource(source: string | Redis | Cluster): string {
  if (typeof source === 'string') return `Redis at ${new URL(source).host}`;
  if (isCluster(source)) return 'the Redis Cluster';
  const { sentinels, name, path, host, port } = source.options;
  if (sentinels != null) return `the Redis master '${name ?? ''}' of its Sentinels`;
  return `Redis at ${path ?? `${host ?? 'localhost'}:${port ?? 6379}`}`;
}

function isCluster(source: Redis | Cluster): source is Cluster {
  return source.isCluster;
}
