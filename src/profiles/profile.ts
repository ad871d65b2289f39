import type { SseEvent } from '../log/event.js';

/** A message as a profile writes it: what goes out under `data:`, and under `event:` where the protocol has that. */
export interface ProfileMessage {
  readonly data: string;
  readonly type?: string;
}

/** How a run ended, as its `run-end` says. */
export interface ProfileEnd {
  readonly status: 'done' | 'failed' | 'stopped' | 'lost';
  readonly error?: string | undefined;
}

/** Writes one run, for one client, in somebody else's protocol. */
export interface ProfileWriter {
  /** @throws TypeError if the protocol has no word for it */
  event(event: SseEvent): readonly ProfileMessage[];
  end(end: ProfileEnd): readonly ProfileMessage[];
  /** What tells of an error that is none of the run's, so that it can be asked for again; it is the last. */
  error(message: string): readonly ProfileMessage[];
}

/** What a writer is told of its run. */
export interface ProfiledRun {
  /** The same for all who read the run, wherever and whenever, and of no other run. */
  readonly key: string;
}

/** A protocol that the clients of a run speak. */
export interface Profile {
  /** Beside those of an event stream. */
  readonly headers: Readonly<Record<string, string>>;
  writer(run: ProfiledRun): ProfileWriter;
}
