/** An ordinary route that waits for what it returned to complete. */
interface Route {
  /** Subscribers that only hand on, between what a handler returns and who waits. */
  readonly layers: number | undefined;
  readonly name: () => string;
}

const routes = new WeakMap<object, Route>();

/** Makes known that whoever is subscribed to what an ordinary route returns is just that. */
export function waitFor(route: Route, subscriber: object): void {
  routes.set(subscriber, route);
}

/** The name of the route that returned, as it is, what is subscribed to by `subscriber`. */
export function returningRoute(subscriber: object): string | undefined {
  let at: unknown = subscriber;
  for (let layers = 0; typeof at === 'object' && at !== null; layers++) {
    const route = routes.get(at);
    if (route !== undefined) return layers === route.layers ? route.name() : undefined;
    at = (at as { readonly destination?: unknown }).destination;
  }
  return undefined;
}
