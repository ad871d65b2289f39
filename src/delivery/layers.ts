/**
 * How many subscribers hand on what `subscriber` is given until it arrives at `receiver`: RxJS keeps where
 * a subscriber hands it on to in `destination`. Undefined if it does not arrive there, as far as can be seen.
 */
export function layersBetween(subscriber: object, receiver: object): number | undefined {
  let at: unknown = subscriber;
  for (let layers = 0; typeof at === 'object' && at !== null; layers++) {
    if (at === receiver) return layers;
    at = (at as { readonly destination?: unknown }).destination;
  }
  return undefined;
}
