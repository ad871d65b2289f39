import type { MessageEvent } from '@nestjs/common';
import { filter, map, merge, type Observable, type OperatorFunction, tap } from 'rxjs';
import type { EventBus } from '../../src/bus/event-bus.js';
import type { matching } from '../../src/log/matching.js';
import type { SseEvent } from '../../src/log/event.js';
import { admits, ends, FILTERED, type Lane } from './lane.js';
import { timeOf } from './reference.js';
import type { SnapshotCall } from './witness.js';

/** The data of all events of the runs. */
export interface Data {
  readonly n?: number;
  readonly snap?: number;
  readonly part?: number;
  readonly isForAll?: boolean;
}

/** Where a lane's streams are opened. */
export interface Surroundings {
  readonly bus: EventBus;
  readonly matching: typeof matching;
  /** An operator that lets values go later, in their order. */
  hold<T>(): OperatorFunction<T, T>;
  /** Called within an operator, for each event. */
  onPass(data: Data): void;
  snapshot(calls: SnapshotCall[]): Promise<{ data: Data }[]>;
}

/** Thrown by some `where`s; made once, because a stack is slow to make. */
const BROKEN = new Error('where is broken');

/** The Observable that a handler with this lane returns. */
export function laneStreams(
  at: Surroundings,
  lane: Lane,
  calls: SnapshotCall[],
): Observable<MessageEvent> {
  const streams = lane.sources.map((source) => {
    const topics = source.isPattern ? at.matching(source.topics[0] ?? '') : source.topics;
    const where = ({ data }: SseEvent): boolean => {
      const { n = 0, isForAll = false } = data as Data;
      const isAdmitted = isForAll || admits(source, n);
      if (!isAdmitted && source.whereThrows) throw BROKEN;
      return isAdmitted;
    };
    const { latestPerKey, announce, start } = source;
    const until = ({ data }: SseEvent): boolean => ends(source, (data as Data).n ?? 0);
    const options = {
      ...(latestPerKey && { latestPerKey }),
      ...(source.where !== 0 && { where }),
      ...(source.until !== 0 && { until }),
      ...(announce && { announce }),
    };
    if (start === 'snapshot') {
      return at.bus.stream(topics, { ...options, snapshot: () => at.snapshot(calls) });
    }
    const from =
      typeof start === 'object' && start.since !== undefined
        ? new Date(timeOf(start.since))
        : start;
    return at.bus.stream(topics, { ...options, from });
  });
  return onTheWay(at, lane, merge(...streams));
}

function onTheWay(
  at: Surroundings,
  { way, tag }: Lane,
  events: Observable<SseEvent>,
): Observable<MessageEvent> {
  const tagged = (event: SseEvent) => ({ ...(event.data as Data), s: tag });
  const withId = map((event: SseEvent) => ({ ...event, data: tagged(event) }));
  const withoutId = map((event: SseEvent) => ({ data: tagged(event) }));
  const kept = filter(({ data }: SseEvent) => {
    const { n, isForAll } = data as Data;
    return n === undefined || isForAll === true || n % FILTERED !== 0;
  });
  switch (way) {
    case 'unmodified':
      return events;
    case 'hold':
      return events.pipe(at.hold());
    case 'map':
      return events.pipe(
        tap(({ data }) => at.onPass(data as Data)),
        withoutId,
      );
    case 'filter':
      return events.pipe(kept, withoutId);
    case 'holdMap':
      return events.pipe(at.hold(), withId);
    case 'holdNoId':
      return events.pipe(at.hold(), withoutId);
  }
}
