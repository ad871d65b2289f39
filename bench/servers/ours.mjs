import { serveOurs } from '../lib/serve-ours.mjs';

/** This package, as its README shows: the handler returns `bus.stream(topic)`. */
serveOurs((bus, topic) => bus.stream(topic));
