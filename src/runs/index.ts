export type { ProfileMessage } from '../profiles/profile.js';
export type { ProfileOptions } from '../profiles/profile-options.js';
export type { Merge, ReplayedEvent } from './merges.js';
export type { SseRunsOptions } from './options.js';
export type { RunEndData, RunEndStatus, RunInfo } from './run.js';
export type { RunContext, RunFactory, RunSource } from './source.js';
export { type RunChange, type RunOptions, SseRuns, type StartedRun } from './sse-runs.js';
export type { RunStreamOptions, UnknownRun } from './stream-options.js';
export { SseRunsModule } from './sse-runs.module.js';
