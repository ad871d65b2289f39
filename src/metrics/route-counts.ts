import type { ConnectionInfo, EndReason } from '../delivery/connection-info.js';

/** Attributes of a value. */
export type Attributes = Readonly<Record<string, string>>;

/** What is counted of the connections of one route. */
export interface RouteCount {
  readonly attributes: Attributes;
  active: number;
  opened: number;
  readonly ended: Map<EndReason, number>;
}

/** Routes that are told apart; where an adapter knows no pattern, each path would be one. */
const MAX_ROUTES = 200;
const OTHERS = '_OTHER';

/** Connections by route: method and pattern, never the path. */
export class RouteCounts {
  readonly #byRoute = new Map<string, RouteCount>();

  [Symbol.iterator](): Iterator<RouteCount> {
    return this.#byRoute.values();
  }

  of({ route }: ConnectionInfo): RouteCount {
    const known = this.#byRoute.get(route);
    if (known !== undefined) return known;
    const [method = '', pattern = ''] = route.split(/ (.*)/, 2);
    if (this.#byRoute.size < MAX_ROUTES) return this.#add(route, method, pattern);
    return this.#byRoute.get(OTHERS) ?? this.#add(OTHERS, OTHERS, OTHERS);
  }

  #add(route: string, method: string, pattern: string): RouteCount {
    const attributes = { 'http.request.method': method, 'http.route': pattern };
    const count = { attributes, active: 0, opened: 0, ended: new Map<EndReason, number>() };
    this.#byRoute.set(route, count);
    return count;
  }
}
