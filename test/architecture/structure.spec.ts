import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const src = join(dirname(fileURLToPath(import.meta.url)), '../../src');

interface Import {
  readonly from: string;
  readonly to: string;
  /** Whether it is gone when the code runs. */
  readonly isType: boolean;
}

const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => {
    const text = readFileSync(join(src, file), 'utf8');
    const path = relative(src, join(src, file)).split(sep).join('/');
    return { path, text, tree: ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true) };
  });

function visit(node: ts.Node, look: (node: ts.Node) => void): void {
  look(node);
  ts.forEachChild(node, (child) => visit(child, look));
}

/** All imports and re-exports, relative ones resolved to files of `src`. */
const imports: readonly Import[] = files.flatMap(({ path, tree }) => {
  const found: Import[] = [];
  visit(tree, (node) => {
    const specifier =
      ts.isImportDeclaration(node) || ts.isExportDeclaration(node)
        ? node.moduleSpecifier
        : ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword
          ? node.arguments[0]
          : undefined;
    if (specifier === undefined || !ts.isStringLiteral(specifier)) return;
    const to = specifier.text.startsWith('.')
      ? posix.join(posix.dirname(path), specifier.text.replace(/\.js$/, '.ts'))
      : specifier.text;
    const isType =
      ts.isImportDeclaration(node) &&
      node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
    found.push({ from: path, to, isType });
  });
  return found;
});

const layerOf = (path: string) =>
  path.startsWith('nest/internals/') ? 'nest/internals' : (path.split('/')[0] ?? path);

/** What a layer may import of the others. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  'errors.ts': [],
  'options.ts': ['errors.ts'],
  'modules.ts': ['errors.ts'],
  'json.ts': [],
  wire: ['errors.ts'],
  log: ['wire', 'json.ts', 'errors.ts'],
  backplane: ['log', 'errors.ts'],
  reader: ['backplane', 'log', 'wire', 'options.ts', 'errors.ts'],
  bus: ['reader', 'backplane', 'log', 'wire', 'options.ts', 'errors.ts'],
  delivery: ['reader', 'log', 'wire', 'errors.ts'],
  registry: [],
  control: ['registry', 'delivery', 'bus', 'log', 'options.ts', 'errors.ts'],
  'nest/internals': ['delivery', 'log'],
  nest: [
    'nest/internals',
    'control',
    'delivery',
    'bus',
    'reader',
    'backplane',
    'log',
    'wire',
    'options.ts',
    'modules.ts',
    'errors.ts',
  ],
  'index.ts': [
    'nest',
    'control',
    'delivery',
    'bus',
    'reader',
    'backplane',
    'log',
    'wire',
    'json.ts',
    'errors.ts',
  ],
  redis: ['backplane', 'log', 'wire', 'options.ts', 'errors.ts'],
  sqlite: ['backplane', 'log', 'wire', 'options.ts', 'errors.ts'],
  publisher: ['bus', 'backplane', 'log', 'options.ts', 'errors.ts'],
  profiles: ['reader', 'log', 'options.ts'],
  runs: ['profiles', 'bus', 'delivery', 'reader', 'log', 'options.ts', 'modules.ts', 'errors.ts'],
  ai: ['runs', 'log', 'errors.ts'],
  swagger: [],
  terminus: ['nest', 'options.ts', 'errors.ts'],
  metrics: ['nest', 'delivery', 'bus', 'backplane', 'log', 'options.ts', 'modules.ts', 'errors.ts'],
  presence: [
    ...['nest', 'control', 'registry', 'delivery', 'bus', 'log', 'options.ts', 'modules.ts'],
    'errors.ts',
  ],
  inspector: ['nest', 'delivery', 'log', 'options.ts', 'modules.ts', 'errors.ts'],
  testing: ['client', 'delivery', 'bus', 'backplane', 'log', 'json.ts', 'options.ts', 'errors.ts'],
  client: ['json.ts'],
};

/** What a layer may import of packages and of Node. */
const PACKAGES: Readonly<Record<string, RegExp>> = {
  'errors.ts': /^$/,
  'options.ts': /^$/,
  'modules.ts': /^@nestjs\/(common|core)$/,
  'json.ts': /^$/,
  wire: /^$/,
  log: /^node:crypto$/,
  backplane: /^$/,
  reader: /^(rxjs|node:async_hooks)$/,
  bus: /^(rxjs|node:async_hooks|@nestjs\/common)$/,
  delivery: /^(rxjs|node:(http|http2|net)|@nestjs\/common)$/,
  control: /^(rxjs|@nestjs\/common)$/,
  registry: /^$/,
  'nest/internals':
    /^(rxjs|node:util|@nestjs\/common|@nestjs\/core(\/(guards|interceptors|router)\/.*)?|class-transformer\/.*)$/,
  nest: /^(rxjs|node:(http|https|tls|net)|@nestjs\/(common|core)|@nestjs\/common\/constants\.js)$/,
  'index.ts': /^$/,
  redis: /^(ioredis|rxjs|node:.*)$/,
  sqlite: /^(node:.*|@nestjs\/common)$/,
  publisher: /^$/,
  profiles: /^@nestjs\/common$/,
  runs: /^(rxjs|node:(crypto|timers\/promises)|@nestjs\/(common|core))$/,
  ai: /^(rxjs|node:(crypto|timers\/promises)|@nestjs\/common)$/,
  swagger: /^$/,
  terminus: /^@nestjs\/(common|terminus)$/,
  metrics:
    /^(node:(http|diagnostics_channel)|@opentelemetry\/api|prom-client|rxjs|@nestjs\/(common|core))$/,
  presence: /^(rxjs|node:crypto|@nestjs\/(common|core))$/,
  inspector: /^(node:(http|os)|rxjs|@nestjs\/(common|core))$/,
  client: /^(react|rxjs)$/,
  testing: /^(node:.*|@nestjs\/common)$/,
};

/** Lines that a function may have: it fits a screen. */
const MAX_LINES = 40;

/** Those of a function of the client, which holds its state in closures: they come out small of a minifier. */
const MAX_CLIENT_LINES = 52;

function isFunction(node: ts.Node): boolean {
  return ts.isFunctionLike(node) && 'body' in node && node.body !== undefined;
}

/** Lines of a function, without those that are wholly of functions in it: they count for themselves. */
function ownLinesOf(node: ts.Node, tree: ts.SourceFile): number {
  if (!isFunction(node)) return 0;
  const lineOf = (place: number) => tree.getLineAndCharacterOfPosition(place).line;
  const linesOf = (each: ts.Node) => lineOf(each.end) - lineOf(each.getStart(tree)) + 1;
  let inside = 0;
  const look = (child: ts.Node): void => {
    if (isFunction(child)) inside += Math.max(linesOf(child) - 2, 0);
    else ts.forEachChild(child, look);
  };
  ts.forEachChild(node, look);
  return linesOf(node) - inside;
}

/**
 * What Nest, RxJS and Node keep to themselves: as a member of something, by which nothing of ours goes, as
 * what is ours is `#private`.
 */
const INSIDE = new Set([
  ...['commitHeaders', 'writeMessage', 'SSE_ABORT_CONTROLLER'],
  ...['destination', 'partialObserver'],
  ...['writeQueueSize', 'writableCorked', 'kOutHeaders'],
]);

/** What a file mentions of it, in code or as a text. */
function insidesIn(tree: ts.SourceFile): string[] {
  const found: string[] = [];
  visit(tree, (node) => {
    const { parent } = node as { readonly parent?: ts.Node };
    const isMember =
      ts.isIdentifier(node) &&
      parent !== undefined &&
      ((ts.isPropertyAccessExpression(parent) && parent.name === node) ||
        ((ts.isTypeElement(parent) || ts.isClassElement(parent) || ts.isBindingElement(parent)) &&
          (parent.name === node || (ts.isBindingElement(parent) && parent.propertyName === node))));
    if (isMember || ts.isStringLiteral(node)) {
      if (INSIDE.has(node.text) || (isMember && /^_./.test(node.text))) found.push(node.text);
    }
    if (ts.isStringLiteral(node) && node.text.startsWith('@nestjs/core/')) found.push(node.text);
  });
  return found;
}

describe('the sources', () => {
  it(`are small: no function has more than ${MAX_LINES} lines (client: ${MAX_CLIENT_LINES}), and the median file at most 85`, () => {
    const long: string[] = [];
    for (const { path, tree } of files) {
      const most = layerOf(path) === 'client' ? MAX_CLIENT_LINES : MAX_LINES;
      visit(tree, (node) => {
        const lines = ownLinesOf(node, tree);
        if (lines > most) long.push(`${path}: ${node.getText(tree).slice(0, 50)}, ${lines} lines`);
      });
    }
    const lines = files.map(({ text }) => text.trimEnd().split('\n').length).sort((a, b) => a - b);
    expect(long).toEqual([]);
    expect(lines[Math.floor(lines.length / 2)]).toBeLessThanOrEqual(85);
  });

  it('import one way, layer by layer', () => {
    const wrong = imports
      .filter(({ to }) => to.endsWith('.ts'))
      .filter(({ from, to }) => {
        const [own, other] = [layerOf(from), layerOf(to)];
        return own !== other && !LAYERS[own]?.includes(other);
      });
    expect(wrong).toEqual([]);
  });

  it('belong to a known layer', () => {
    expect([...new Set(files.map(({ path }) => layerOf(path)))].sort()).toEqual(
      Object.keys(LAYERS).sort(),
    );
  });

  it('know of packages only what their layer may know', () => {
    const wrong = imports
      .filter(({ to }) => !to.endsWith('.ts'))
      .filter(({ from, to }) => !PACKAGES[layerOf(from)]?.test(to));
    expect(wrong).toEqual([]);
  });

  it('deliver without knowing topics or the bus: the sink and the type of its reader are all that crosses', () => {
    const crossing = imports.filter(
      ({ from, to }) => from.startsWith('delivery/') && to.startsWith('reader/'),
    );
    expect([...new Set(crossing.map(({ to }) => to))].sort()).toEqual([
      'reader/reader.ts',
      'reader/sink.ts',
    ]);
  });

  it('leave the core of the client without packages', () => {
    const packages = imports.filter(
      ({ from, to }) => /^client\/[\w-]+\.ts$/.test(from) && !to.endsWith('.ts'),
    );
    expect(packages).toEqual([]);
  });

  it('know of Nest only what delivers there: the inside has no topics and no bus', () => {
    const known = imports
      .filter(({ from, to }) => from.startsWith('nest/internals/') && to.endsWith('.ts'))
      .filter(({ to }) => !to.startsWith('nest/internals/'));
    expect([...new Set(known.map(({ to }) => to))].sort()).toEqual([
      'delivery/http.ts',
      'delivery/open-request.ts',
      'log/json-faults.ts',
    ]);
  });

  it('have no import cycle when they run', () => {
    const next = new Map<string, string[]>();
    for (const { from, to, isType } of imports) {
      if (!isType) next.set(from, [...(next.get(from) ?? []), to]);
    }
    const cycles: string[] = [];
    const done = new Set<string>();
    const walk = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' → '));
      if (path.includes(file) || done.has(file)) return;
      for (const to of next.get(file) ?? []) walk(to, [...path, file]);
      done.add(file);
    };
    for (const { path } of files) walk(path, []);
    expect(cycles).toEqual([]);
  });

  it('lean on the inside of Nest, RxJS and Node in nest/internals only', () => {
    const leaning = files
      .map(({ path, tree }) => ({ path, inside: insidesIn(tree) }))
      .filter(({ inside }) => inside.length > 0);
    const isInternal = ({ path }: { path: string }) => path.startsWith('nest/internals/');
    expect(leaning.filter((file) => !isInternal(file))).toEqual([]);
    // What is looked for is still found where it is.
    expect(leaning.map(({ path }) => path).sort()).toEqual([
      'nest/internals/header-gate.ts',
      'nest/internals/nest-chain.ts',
      'nest/internals/nest-internals.ts',
      'nest/internals/nest-stream.ts',
      'nest/internals/route-enhancers.ts',
      'nest/internals/rxjs-chain.ts',
      'nest/internals/socket-handle.ts',
      'nest/internals/trial-route.ts',
    ]);
  });

  it('join frames in one cache, for readers and connections', () => {
    const makers = files.filter(({ text }) => text.includes('new JoinedFramesCache('));
    expect(makers.map(({ path }) => path)).toEqual(['bus/event-bus.ts']);
  });

  it('are strict: no any, no suppressed check, no barrel but the entries', () => {
    const wrong: string[] = [];
    for (const { path, text, tree } of files) {
      visit(tree, (node) => {
        if (node.kind === ts.SyntaxKind.AnyKeyword) wrong.push(`${path}: any`);
      });
      if (/@ts-|eslint-disable|\bTODO\b|\bFIXME\b/.test(text)) wrong.push(`${path}: suppressed`);
      if (
        path.endsWith('/index.ts') &&
        !/^(testing|redis|sqlite|runs|ai|publisher|swagger|terminus|inspector|presence|metrics(\/\w+)?|client(\/\w+)?)\/index/.test(
          path,
        )
      ) {
        wrong.push(`${path}: barrel`);
      }
    }
    expect(wrong).toEqual([]);
  });
});
