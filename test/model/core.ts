/** The parts of the package that a run is about, from the sources themselves or from a changed copy. */
export interface Core {
  readonly SseModule: typeof import('../../src/nest/sse.module.js').SseModule;
  readonly EventBus: typeof import('../../src/bus/event-bus.js').EventBus;
  readonly matching: typeof import('../../src/log/matching.js').matching;
  readonly Backplane: typeof import('../../src/backplane/backplane.js').Backplane;
  readonly MemoryArchive: typeof import('../../src/backplane/memory-archive.js').MemoryArchive;
  readonly RetentionRules: typeof import('../../src/log/retention.js').RetentionRules;
  readonly Log: typeof import('../../src/log/log.js').Log;
  readonly TurnScheduler: typeof import('../../src/log/turn-scheduler.js').TurnScheduler;
}

const PARTS = [
  'bus/event-bus',
  'log/matching',
  'backplane/backplane',
  'backplane/memory-archive',
  'log/retention',
  'log/log',
  'log/turn-scheduler',
];

/**
 * @param root the folder that holds the sources
 * @param isWhole whether the module for Nest is needed as well
 */
export async function loadCore(root: string, isWhole = true): Promise<Core> {
  const parts = isWhole ? [...PARTS, 'nest/sse.module'] : PARTS;
  const core = {};
  // One after the other: jest's loader loses modules that several imports wait for.
  for (const part of parts) Object.assign(core, (await import(`${root}/${part}.ts`)) as object);
  return core as Core;
}
