/** How much of what a pattern selects some rules are for. */
export type PatternExtent = 'all' | 'some' | 'none';

/** Whether one of the rules is for all that a pattern selects; if not, whether any is for some of it. */
export function extentOf(rules: readonly string[], pattern: string): PatternExtent {
  if (rules.some((rule) => covers(rule, pattern))) return 'all';
  return rules.some((rule) => meets(rule, pattern)) ? 'some' : 'none';
}

/** Whether a rule selects whatever a pattern selects. */
function covers(rule: string, pattern: string): boolean {
  const [own, other] = [rule.split('.'), pattern.split('.')];
  for (const [index, segment] of own.entries()) {
    const each = other[index];
    if (each === undefined) return false;
    if (segment === '**') return true;
    if (each === '**' || (segment !== '*' && segment !== each)) return false;
  }
  return own.length === other.length;
}

/** Whether there may be topics that a rule and a pattern both select. */
function meets(rule: string, pattern: string): boolean {
  const [own, other] = [rule.split('.'), pattern.split('.')];
  for (const [index, segment] of own.entries()) {
    const each = other[index];
    if (each === undefined) return false;
    if (segment === '**' || each === '**') return true;
    if (segment !== '*' && each !== '*' && segment !== each) return false;
  }
  return own.length === other.length;
}
