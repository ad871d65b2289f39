import { isInternal } from './internal-topics.js';
import { SegmentTree } from './segment-tree.js';

/** Values by topic, found by its name or by a pattern that selects it. */
export class TopicMap<Value> extends Map<string, Value> {
  /** Made when first a pattern is asked for: without matchers it would be for nothing. */
  #tree: SegmentTree<Value> | undefined;

  override set(topic: string, value: Value): this {
    if (!isInternal(topic)) this.#tree?.set(topic, value);
    return super.set(topic, value);
  }

  override delete(topic: string): boolean {
    this.#tree?.delete(topic);
    return super.delete(topic);
  }

  override clear(): void {
    this.#tree = undefined;
    super.clear();
  }

  /** The values of the topics that a pattern selects, at the cost of those. */
  selectedBy(pattern: string): Value[] {
    if (this.#tree === undefined) {
      this.#tree = new SegmentTree();
      for (const [topic, value] of this) if (!isInternal(topic)) this.#tree.set(topic, value);
    }
    return this.#tree.selectedBy(pattern);
  }
}
