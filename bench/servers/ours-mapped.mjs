import { map } from 'rxjs';
import { serveOurs } from '../lib/serve-ours.mjs';

/** This package with an operator between the stream and the client: each client has its own message. */
serveOurs((bus, topic) => bus.stream(topic).pipe(map(({ data }) => ({ data }))));
