/** One run, as the page shows it. */
export interface InspectedRun {
  readonly id: string;
  readonly status: string;
  readonly error?: string | undefined;
  readonly startedAt: Date;
  readonly endedAt?: Date | undefined;
  readonly events: number;
  readonly bytes: number;
  readonly owner: string;
  readonly readers: number;
}

/** What knows of runs: `SseRuns` of `nestjs-event-stream/runs` does. */
export interface RunList {
  /** Those that are live, or can still be read, on all instances. */
  list(): readonly InspectedRun[];
}
