import type { ChainOf } from './bindings.js';

/** An ordinary route that waits for what it returned to complete. */
interface Route {
  /** Whether a handler returned what `subscriber` is subscribed to, as it is. */
  readonly returned: (subscriber: object, receiver: object) => boolean;
  readonly name: () => string;
}

const routes = new WeakMap<object, Route>();

/** Makes known that whoever is subscribed to what an ordinary route returns is just that. */
export function waitFor(route: Route, subscriber: object): void {
  routes.set(subscriber, route);
}

/** The name of the route that returned, as it is, what is subscribed to by `subscriber`. */
export function returningRoute(subscriber: object, chainOf: ChainOf): string | undefined {
  for (const link of chainOf(subscriber)) {
    const route = routes.get(link);
    if (route !== undefined) return route.returned(subscriber, link) ? route.name() : undefined;
  }
  return undefined;
}
