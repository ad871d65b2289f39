import type { Entry } from '../log/entry.js';

/** What is found between an offset and the tail. */
export type Lookup =
  /** Pages are on their way; the reader is told when they are there. */
  | { readonly kind: 'reading' }
  /** Something is gone: the reader can go on after `upTo`. */
  | { readonly kind: 'lost'; readonly upTo: number }
  | { readonly kind: 'entry'; readonly entry: Entry }
  /** Nothing, up to where the tail begins. */
  | { readonly kind: 'nothing' };

export const READING: Lookup = { kind: 'reading' };
export const NOTHING: Lookup = { kind: 'nothing' };

/** Of what two topics have after the same offset, what a reader has to see to first. */
export function nearer(one: Lookup, other: Lookup): Lookup {
  if (one.kind === 'reading' || other.kind === 'nothing') return one;
  if (other.kind === 'reading' || one.kind === 'nothing') return other;
  if (one.kind === 'entry' && other.kind === 'entry') {
    return one.entry.offset <= other.entry.offset ? one : other;
  }
  // A loss is told first, and takes nobody past an event that is there.
  return { kind: 'lost', upTo: Math.min(upToOf(one), upToOf(other)) };
}

function upToOf(found: Extract<Lookup, { kind: 'lost' | 'entry' }>): number {
  return found.kind === 'lost' ? found.upTo : found.entry.offset - 1;
}
