/** The parts of the package that a run is about, from the sources themselves or from a changed copy. */
export interface Core {
  readonly EventBus: typeof import('../../src/bus/event-bus.js').EventBus;
  readonly matching: typeof import('../../src/bus/matching.js').matching;
  readonly Backplane: typeof import('../../src/log/backplane.js').Backplane;
  readonly Log: typeof import('../../src/log/log.js').Log;
  readonly Turn: typeof import('../../src/log/turn.js').Turn;
}

/** @param root the folder that holds the sources */
export async function loadCore(root: string): Promise<Core> {
  const parts = ['bus/event-bus', 'bus/matching', 'log/backplane', 'log/log', 'log/turn'];
  const modules = await Promise.all(
    parts.map((part) => import(`${root}/${part}.ts`) as Promise<object>),
  );
  return Object.assign({}, ...modules.map((module) => ({ ...module }))) as Core;
}
