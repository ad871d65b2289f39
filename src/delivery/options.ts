/** What delivery needs to know of one connection, complete: times in milliseconds, sizes in bytes, false for off. */
export interface ConnectionOptions {
  readonly heartbeatInterval: number | false;
  readonly retry: { readonly min: number; readonly max: number } | false;
  readonly highWaterMark: number;
  readonly maxBuffered: number;
  readonly stallTimeout: number | false;
  readonly openTimeout: number;
  readonly maxLifetime: number | false;
}

/** The same for all connections, with what concerns them together. */
export interface DeliveryOptions extends ConnectionOptions {
  readonly maxConnections: number | false;
  readonly drain: { readonly timeout: number; readonly over: number | false };
}
