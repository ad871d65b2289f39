/** A stream of an owner's, as its client saw it. Times are in milliseconds, of one clock. */
export interface Visit {
  readonly owner: string;
  /** When the answer had begun: its instance had let it in before. */
  readonly openedAt: number;
  endedAt?: number;
  readonly texts: string[];
}

/** An order to close an owner's streams that was acknowledged. */
export interface AcknowledgedOrder {
  readonly owner: string;
  readonly askedAt: number;
  readonly acknowledgedAt: number;
}

/**
 * Judges orders to close: whatever was open when one was asked for has ended, and got nothing of what was published
 * only after the order had been acknowledged.
 *
 * @param begunAt when somebody first tried to publish a text
 */
export function judgeOrders(
  orders: readonly AcknowledgedOrder[],
  visits: readonly Visit[],
  begunAt: ReadonlyMap<string, number>,
): string[] {
  const faults: string[] = [];
  for (const { owner, askedAt, acknowledgedAt } of orders) {
    for (const visit of visits) {
      const { openedAt, endedAt, texts } = visit;
      if (visit.owner !== owner || openedAt >= askedAt) continue;
      const name = `${owner}'s stream of ${openedAt}, to be closed at ${askedAt}`;
      if (endedAt === undefined) faults.push(`${name}, is open`);
      for (const text of texts) {
        const begun = begunAt.get(text) ?? -Infinity;
        if (begun > acknowledgedAt) faults.push(`${name}, got ${text}, published at ${begun}`);
      }
    }
  }
  return faults;
}
