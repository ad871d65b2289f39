/** What begins with the same segments. Most nodes have one child, and no map for it. */
class Node<Value> {
  value: Value | undefined;
  #segment: string | undefined;
  #child: Node<Value> | undefined;
  #others: Map<string, Node<Value>> | undefined;

  get isEmpty(): boolean {
    return this.value === undefined && this.#child === undefined && this.#others === undefined;
  }

  child(segment: string): Node<Value> | undefined {
    return segment === this.#segment ? this.#child : this.#others?.get(segment);
  }

  children(): Node<Value>[] {
    const others = this.#others?.values() ?? [];
    return this.#child === undefined ? [...others] : [this.#child, ...others];
  }

  make(segment: string): Node<Value> {
    const known = this.child(segment);
    if (known !== undefined) return known;
    const child = new Node<Value>();
    if (this.#child === undefined) {
      this.#segment = segment;
      this.#child = child;
    } else {
      (this.#others ??= new Map()).set(segment, child);
    }
    return child;
  }

  delete(segment: string): void {
    if (segment === this.#segment) this.#segment = this.#child = undefined;
    else this.#others?.delete(segment);
    if (this.#others?.size === 0) this.#others = undefined;
  }
}

/** Values by dot-separated names, which are topics or the patterns of matchers, found by one from the other. */
export class SegmentTree<Value> {
  readonly #root = new Node<Value>();

  set(name: string, value: Value): void {
    let node = this.#root;
    for (const segment of name.split('.')) node = node.make(segment);
    node.value = value;
  }

  delete(name: string): void {
    const path: { readonly parent: Node<Value>; readonly segment: string }[] = [];
    let node = this.#root;
    for (const segment of name.split('.')) {
      const child = node.child(segment);
      if (child === undefined) return;
      path.push({ parent: node, segment });
      node = child;
    }
    node.value = undefined;
    for (const { parent, segment } of path.toReversed()) {
      if (parent.child(segment)?.isEmpty === true) parent.delete(segment);
    }
  }

  /** Of names that are topics, the values of those that a pattern selects. */
  selectedBy(pattern: string): Value[] {
    const segments = pattern.split('.');
    let nodes = [this.#root];
    for (const [index, segment] of segments.entries()) {
      if (segment === '**' && index === segments.length - 1) return valuesOf(restsOf(nodes));
      nodes = segment === '*' ? nodes.flatMap(namedChildren) : childrenOf(nodes, segment);
    }
    return valuesOf(nodes);
  }

  /** Of names that are patterns, the values of those that select a topic. */
  selecting(topic: string): Value[] {
    const segments = topic.split('.');
    const found: Node<Value>[] = [];
    let nodes = [this.#root];
    for (const [index, segment] of segments.entries()) {
      if (nodes.length === 0) break;
      // A last `**` is any rest, but for an empty one.
      if (segment !== '' || index < segments.length - 1) found.push(...childrenOf(nodes, '**'));
      const isWild = segment === '*' || segment === '**';
      const literal = isWild ? [] : childrenOf(nodes, segment);
      nodes = segment === '' ? literal : [...literal, ...childrenOf(nodes, '*')];
    }
    return valuesOf([...found, ...nodes]);
  }
}

function childrenOf<Value>(nodes: readonly Node<Value>[], segment: string): Node<Value>[] {
  const found: Node<Value>[] = [];
  for (const node of nodes) {
    const child = node.child(segment);
    if (child !== undefined) found.push(child);
  }
  return found;
}

/** `*` is any one segment, but for an empty one. */
function namedChildren<Value>(node: Node<Value>): Node<Value>[] {
  const empty = node.child('');
  return empty === undefined ? node.children() : node.children().filter((each) => each !== empty);
}

/** All that is below, but for what only adds an empty segment. */
function restsOf<Value>(nodes: readonly Node<Value>[]): Node<Value>[] {
  const found = nodes.flatMap(namedChildren);
  for (const empty of childrenOf(nodes, '')) for (const rest of empty.children()) found.push(rest);
  for (const node of found) for (const rest of node.children()) found.push(rest);
  return found;
}

function valuesOf<Value>(nodes: readonly Node<Value>[]): Value[] {
  const values: Value[] = [];
  for (const { value } of nodes) if (value !== undefined) values.push(value);
  return values;
}
