import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { ignoreEventStreams } from 'nestjs-event-stream/metrics/instrumentation';

export const http = new HttpInstrumentation({ ignoreIncomingRequestHook: ignoreEventStreams });
