interface Node<Value> {
  children: Map<string, Node<Value>> | undefined;
  value: Value | undefined;
}

/** Values by dot-separated names, which are topics or the patterns of matchers, found by one from the other. */
export class SegmentTree<Value> {
  readonly #root: Node<Value> = { children: undefined, value: undefined };

  set(name: string, value: Value): void {
    let node = this.#root;
    for (const segment of name.split('.')) {
      node.children ??= new Map();
      let child = node.children.get(segment);
      if (child === undefined) {
        child = { children: undefined, value: undefined };
        node.children.set(segment, child);
      }
      node = child;
    }
    node.value = value;
  }

  delete(name: string): void {
    const segments = name.split('.');
    const path = [this.#root];
    for (const segment of segments) {
      const child = path.at(-1)?.children?.get(segment);
      if (child === undefined) return;
      path.push(child);
    }
    const last = path.at(-1);
    if (last !== undefined) last.value = undefined;
    for (let depth = segments.length; depth > 0; depth--) {
      const node = path[depth];
      const parent = path[depth - 1];
      if (node?.value !== undefined || node?.children !== undefined) return;
      parent?.children?.delete(segments[depth - 1] ?? '');
      if (parent?.children?.size === 0) parent.children = undefined;
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
  for (const { children } of nodes) {
    const child = children?.get(segment);
    if (child !== undefined) found.push(child);
  }
  return found;
}

/** `*` is any one segment, but for an empty one. */
function namedChildren<Value>({ children }: Node<Value>): Node<Value>[] {
  return [...(children ?? [])].filter(([segment]) => segment !== '').map(([, child]) => child);
}

/** All that is below, but for what only adds an empty segment. */
function restsOf<Value>(nodes: readonly Node<Value>[]): Node<Value>[] {
  const found = nodes.flatMap(namedChildren);
  for (const empty of childrenOf(nodes, '')) addChildren(found, empty);
  for (const node of found) addChildren(found, node);
  return found;
}

function addChildren<Value>(found: Node<Value>[], { children }: Node<Value>): void {
  for (const child of children?.values() ?? []) found.push(child);
}

function valuesOf<Value>(nodes: readonly Node<Value>[]): Value[] {
  const values: Value[] = [];
  for (const { value } of nodes) if (value !== undefined) values.push(value);
  return values;
}
