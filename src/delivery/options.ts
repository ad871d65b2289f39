/** What delivery needs to know, complete: times in milliseconds, sizes in bytes, false for off. */
export interface DeliveryOptions {
  readonly heartbeatInterval: number | false;
  readonly retry: { readonly min: number; readonly max: number } | false;
  readonly highWaterMark: number;
  readonly maxBuffered: number;
  readonly stallTimeout: number | false;
  readonly openTimeout: number;
  readonly maxLifetime: number | false;
  readonly maxConnections: number | false;
  readonly drain: { readonly timeout: number };
}
