/** A metric, by the conventions of OpenTelemetry. */
export interface Instrument {
  readonly name: string;
  readonly kind: 'counter' | 'upDownCounter' | 'gauge' | 'histogram';
  /** Of UCUM: `s`, `By`, or what is counted, in braces. */
  readonly unit: string;
  readonly description: string;
  /** The attributes that its values may have. */
  readonly attributes: readonly string[];
  /** Upper bounds of a histogram's buckets. */
  readonly buckets?: readonly number[];
}

const ROUTE = ['http.request.method', 'http.route'];
/** A stream lives from a moment to a day. */
const LIFETIMES = [
  ...[0.1, 1, 5, 15, 30, 60, 120, 300, 600, 1_800],
  ...[3_600, 7_200, 14_400, 28_800, 86_400],
];
/** As `http.server.request.duration` has them. */
const DURATIONS = [
  ...[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5],
  ...[0.75, 1, 2.5, 5, 7.5, 10],
];
const DELIVERIES = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];

/**
 * All metrics. OpenTelemetry has no conventions for Server-Sent Events: these are named as those of messaging
 * (`messaging.client.sent.messages`) and of SignalR (`signalr.server.connection.duration`) are.
 */
export const INSTRUMENTS = {
  active: upDownCounter(
    'server.active_connections',
    '{connection}',
    'Streams that are open',
    ROUTE,
  ),
  opened: counter('server.opened.connections', '{connection}', 'Streams that were opened', ROUTE),
  ended: counter(
    'server.ended.connections',
    '{connection}',
    'Streams that have ended, those that were refused or failed before they were open included',
    [...ROUTE, 'sse.connection.end_reason'],
  ),
  opening: histogram(
    'server.connection.time_to_open',
    'From the request, after its guards, until its client is told that the stream is open',
    DURATIONS,
    ROUTE,
  ),
  lifetime: histogram('server.connection.duration', 'How long streams were open', LIFETIMES, ROUTE),
  behind: upDownCounter(
    'server.behind_connections',
    '{connection}',
    'Streams whose client has yet to take what passed the high-water mark',
  ),
  delivered: counter('server.delivered.events', '{event}', 'Events written to clients'),
  sent: counter('server.network.io', 'By', 'Bytes of text/event-stream written to clients'),
  delivery: histogram(
    'server.delivery.duration',
    'From when the first event of a round came to this instance until all clients that keep up were written to',
    DELIVERIES,
  ),
  gaps: counter('server.gaps', '{gap}', 'Gaps that clients were told of', ['sse.gap.reason']),
  resumes: counter('server.resumes', '{connection}', 'Clients that came back with a place', [
    'sse.resume.outcome',
  ]),
  published: counter(
    'server.published.events',
    '{event}',
    'Events that this instance has published, those that failed with error.type',
    ['error.type'],
  ),
  publish: histogram(
    'backplane.publish.duration',
    'Until a published event was ordered',
    DURATIONS,
    ['error.type'],
  ),
  connected: upDownCounter(
    'backplane.connected',
    '{instance}',
    '1 while the instance and its backplane have each other, 0 otherwise',
  ),
  lagEvents: gauge(
    'backplane.lag.events',
    '{event}',
    'Events that have yet to come to this instance',
  ),
  lag: gauge('backplane.lag.duration', 's', 'How long this instance has been behind the backplane'),
  logEvents: upDownCounter('log.events', '{event}', 'Events in the memory of this instance'),
  logBytes: upDownCounter('log.size', 'By', 'Memory that they take'),
  logTopics: upDownCounter('log.topics', '{topic}', 'Topics and matchers that have an index'),
  archiveEvents: gauge(
    'archive.events',
    '{event}',
    'Events in the archive, if its store counts them',
  ),
  archiveBytes: gauge('archive.size', 'By', 'What they count for'),
  archiveTopics: gauge('archive.topics', '{topic}', 'Topics that the archive has events of'),
} as const satisfies Record<string, Instrument>;

function counter(
  name: string,
  unit: string,
  description: string,
  attributes: readonly string[] = [],
): Instrument {
  return { name: `sse.${name}`, kind: 'counter', unit, description, attributes };
}

function upDownCounter(
  name: string,
  unit: string,
  description: string,
  attributes: readonly string[] = [],
): Instrument {
  return { name: `sse.${name}`, kind: 'upDownCounter', unit, description, attributes };
}

function gauge(name: string, unit: string, description: string): Instrument {
  return { name: `sse.${name}`, kind: 'gauge', unit, description, attributes: [] };
}

function histogram(
  name: string,
  description: string,
  buckets: readonly number[],
  attributes: readonly string[] = [],
): Instrument {
  return { name: `sse.${name}`, kind: 'histogram', unit: 's', description, attributes, buckets };
}
