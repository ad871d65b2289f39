import type { IncomingMessage } from 'node:http';
import type { Attributes } from '@opentelemetry/api';

/** As OpenTelemetry's conventions for HTTP servers name and measure it. */
export const DURATION = {
  name: 'http.server.request.duration',
  options: {
    unit: 's',
    description: 'Duration of HTTP server requests; of event streams, until they open.',
    advice: {
      explicitBucketBoundaries: [
        ...[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5],
        ...[0.75, 1, 2.5, 5, 7.5, 10],
      ],
    },
  },
};

/** Of the conventions, what belongs to spans and has no bound. The query may hold a token. */
export function spanAttributesOf(request: IncomingMessage): Attributes {
  const { headers, socket, url = '' } = request;
  return {
    ...methodOf(request),
    'url.path': url.split('?', 1)[0] ?? '',
    'client.address': socket.remoteAddress,
    'user_agent.original': headers['user-agent'],
  };
}

/** What belongs to spans and metrics. */
export function attributesOf(
  request: IncomingMessage,
  status: number,
  route: string | undefined,
): Attributes {
  return {
    ...methodOf(request),
    'http.response.status_code': status,
    'http.route': route,
    'error.type': status >= 500 ? String(status) : undefined,
  };
}

function methodOf({ method = 'GET', socket, httpVersion }: IncomingMessage): Attributes {
  return {
    'http.request.method': method,
    'url.scheme': 'encrypted' in socket ? 'https' : 'http',
    'network.protocol.version': httpVersion,
  };
}
