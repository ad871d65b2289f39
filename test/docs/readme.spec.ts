import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { dirname, join, sep } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type MessageEvent, Sse, Controller } from '@nestjs/common';
import { NEVER, type Observable } from 'rxjs';
import ts from 'typescript';
import { SseConnections } from 'nestjs-event-stream';
import { connectSse } from 'nestjs-event-stream/testing';
import { resolveOptions } from '../../src/nest/options.js';
import { resolveRedisOptions } from '../../src/redis/options.js';
import { onExpress } from '../support/each-adapter.js';
import { pagesOf, snippetsOf } from './snippets.js';
import { Workspace } from './workspace.js';

const root = join(import.meta.dirname, '../..');
const examples = readdirSync(join(root, 'examples'));
const pages = pagesOf(root);
const snippets = pages.flatMap((page) => snippetsOf(page, read(page)));
const quotes = snippets.filter(({ isQuote }) => isQuote);
const typed = snippets.filter(({ language, isQuote }) => language === 'ts' && !isQuote);

describe('the snippets of the documentation', () => {
  it('show the files that they name, as they are', () => {
    expect(quotes.length).toBeGreaterThan(20);
    for (const { page, line, file, code } of quotes) {
      const shown = { page, line, code };
      expect(shown).toEqual({ page, line, code: `// ${file}\n${read(file)}` });
    }
  });

  it('have a name each, or none', () => {
    const names = typed.map(({ file }) => file);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });

  it.each(snippets.filter(({ language }) => language === 'js'))(
    'have no mistake in JavaScript: $page:$line',
    ({ code }) => {
      const { diagnostics } = ts.transpileModule(code, { reportDiagnostics: true });
      expect(diagnostics?.map(({ messageText }) => messageText)).toEqual([]);
    },
  );
});

/** Members that are Nest's. */
const OF_OTHERS = ['`ApplicationConfig.addGlobalGuard`'];

describe('the documentation', () => {
  const bench = onExpress();

  it.each(pages)('links to what there is: %s', (page) => {
    const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, to]) => to);
    const missing = links.filter((to = '') => !/^https?:/.test(to) && !leadsSomewhere(page, to));
    expect(missing).toEqual([]);
  });

  it('leads from the README to every page and every example', () => {
    const targets = [
      'README.md',
      ...pages.filter((page) => page.startsWith('docs/decisions/')),
    ].flatMap((page) =>
      [...read(page).matchAll(/\]\(([^)#\s]+)/g)].map(([, to = '']) => join(dirname(page), to)),
    );
    const wanted = [
      ...pages.filter((page) => page.startsWith('docs/')),
      ...examples.filter((name) => name !== 'quick-start').map((name) => `examples/${name}`),
    ];
    expect(wanted.filter((path) => !targets.includes(path))).toEqual([]);
  });

  it('names in ARCHITECTURE.md files that there are', () => {
    const named = [...read('ARCHITECTURE.md').matchAll(/`((?:[\w-]+\/)*[\w.-]+\.ts)`/g)].map(
      ([, file = '']) => file,
    );
    expect(named.length).toBeGreaterThan(60);
    const isThere = (file: string) =>
      existsSync(join(root, 'src', file)) || existsSync(join(root, file));
    expect(named.filter((file) => !isThere(file))).toEqual([]);
  });

  it('names in ARCHITECTURE.md each file of src, but for the entries, which only export', () => {
    const page = read('ARCHITECTURE.md');
    const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => file.split(sep).join('/'));
    const isEntry = (file: string) =>
      /(^|\/)index\.ts$/.test(file) &&
      !/^(import|type|interface|function|const) /m.test(read(`src/${file}`));
    const unnamed = files.filter((file) => !isEntry(file) && !page.includes(`\`${file}\``));
    expect(unnamed).toEqual([]);
  });

  it('names in ARCHITECTURE.md members that their classes have', () => {
    const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => read(`src/${file}`));
    const named = [...read('ARCHITECTURE.md').matchAll(/`([A-Z]\w+)\.(#?\w+)`/g)];
    expect(named.length).toBeGreaterThan(40);
    const missing = named.filter(([, owner, member = '']) => {
      const declaration = new RegExp(`^export (abstract )?(class|interface) ${owner}\\b`, 'm');
      // A member at the beginning of its line, whatever modifies it, or a parameter of the constructor.
      const declared = new RegExp(
        `^ +((readonly|static|get|async|abstract|override) )*${member}\\b`,
        'm',
      );
      return !sources.some((text) => declaration.test(text) && declared.test(text));
    });
    expect(missing.map(([mention]) => mention)).toEqual(OF_OTHERS);
  });

  it('gives the defaults that the options have', () => {
    const rows = tableRows('docs/guide/options.md', /^\| `([\w.]+)` +\| `?([^`|]+)/gm);
    const told = Object.fromEntries(rows);
    const {
      backplane: _backplane,
      identify: _identify,
      history,
      drain,
      retry,
      ...options
    } = resolveOptions();
    const { backplane, identify, retry: toldRetry, ...others } = told;
    expect(identify?.trim()).toBe('none');
    expect(backplane?.trim()).toBe('in memory');
    expect(toldRetry?.match(/[\d_]+/g)?.map(toNumber)).toEqual(retry && [retry.min, retry.max]);
    const values = Object.entries(others).map(([name, value]) => [name, literal(value ?? '')]);
    const { archive, ...tail } = history;
    expect(Object.fromEntries(values)).toEqual({
      ...options,
      ...prefixed('history', tail),
      ...prefixed('history.archive', { ...archive }),
      ...prefixed('drain', { ...drain }),
    });
  });

  it.each([
    ['src/nest/options.ts', resolveOptions()],
    // false, as options have it, is no wait at all.
    [
      'src/redis/options.ts',
      { ...resolveRedisOptions({ url: 'redis://127.0.0.1' }), waitForRedis: false },
    ],
  ])('gives them in the doc comments, too: %s', (file, options) => {
    const told = [...read(file).matchAll(/@defaultValue (.+)\n\s+\*\/\n\s+readonly (\w+)\?/g)]
      .map(([, value = '', name = '']) => [name, literal(value)] as const)
      .filter(([, value]) => value !== undefined);
    expect(told.length).toBeGreaterThan(4);
    expect(options).toMatchObject(Object.fromEntries(told));
  });

  it('says what a connection shows, and why one ends', async () => {
    @Controller('quiet')
    class QuietController {
      @Sse()
      quiet(): Observable<MessageEvent> {
        return NEVER;
      }
    }
    const app = await bench.start({ controllers: [QuietController], sse: { openTimeout: 0 } });
    await bench.connect(app, '/quiet');
    const connections = app.get(SseConnections);
    const told = tableRows('docs/guide/connections.md', /^\| `(\w+)` +\|(?: `([^`]+)` +\|)?/gm);
    const types = connections
      .list()
      .flatMap((info) => Object.entries(info).map(([name, value]) => [name, typeName(value)]));
    expect(told.filter(([, type]) => type !== undefined)).toEqual(types);
    expect(told.filter(([, type]) => type === undefined).map(([name]) => name)).toEqual(
      Object.keys(connections.ended),
    );
  });
});

describe('the examples', () => {
  const tests = readdirSync(join(root, 'test/examples')).map((name) =>
    read(`test/examples/${name}`),
  );

  it.each(examples)('are applications that a test starts: %s', (name) => {
    expect(existsSync(join(root, 'examples', name, 'main.ts'))).toBe(true);
    const isStarted = tests.some((test) =>
      new RegExp(`xample(Process.start)?\\('${name}'`).test(test),
    );
    expect(isStarted || name === 'quick-start').toBe(true);
  });
});

describe('the first example', () => {
  let workspace: Workspace;

  beforeAll(() => {
    workspace = new Workspace(root);
  });

  afterAll(() => workspace.remove());

  it('runs as it is written, and sends what the page shows', async () => {
    const port = await freePort();
    workspace.add({ file: 'main.ts', code: read('examples/quick-start/main.ts') });
    workspace.add({ file: 'run.ts', code: `await import('./main.js'); process.send?.('runs');` });
    const program = workspace.run('run.js', { PORT: String(port) });
    expect(await program.message()).toBe('runs');
    const client = await connectSse(`http://127.0.0.1:${port}`, '/news');
    const [first, second] = await client.take(2);
    client.close();
    expect(`${client.text}\n`).toMatch(framesShown());
    expect(offsetOf(second?.lastEventId)).toBe(offsetOf(first?.lastEventId) + 1);
  });
});

function read(page: string): string {
  return readFileSync(join(root, page), 'utf8');
}

/** What arrives, as the README shows it; the numbers may be others. */
function framesShown(): RegExp {
  const shown = snippets.find(({ page, language }) => page === 'README.md' && language === 'text');
  const pattern = (shown?.code ?? '')
    .replace(/[{}.]/g, '\\$&')
    .replace(/[0-9a-f]{16}/g, '[0-9a-f]{16}')
    .replace(/(?<![[{])\b\d+\b/g, '\\d+');
  return new RegExp(`^\\n?${pattern}`);
}

/** What a pattern finds in the rows of a page's tables, group by group. */
function tableRows(page: string, pattern: RegExp): [string, string | undefined][] {
  return [...read(page).matchAll(pattern)].map(([, name = '', value]) => [name, value]);
}

/** The value that a literal stands for; undefined for a text. */
function literal(text: string): unknown {
  const json = text
    .replaceAll('`', '')
    .replaceAll("'", '"')
    .replace(/(\d)_(?=\d)/g, '$1')
    .replace(/(\w+):/g, '"$1":');
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function typeName(value: unknown): string {
  if (Array.isArray(value)) return 'string[]';
  return value instanceof Date ? 'Date' : typeof value;
}

function prefixed(prefix: string, values: Record<string, unknown>): object {
  const entries = Object.entries(values);
  return Object.fromEntries(entries.map(([name, value]) => [`${prefix}.${name}`, value]));
}

function toNumber(text: string): number {
  return Number(text.replaceAll('_', ''));
}

function offsetOf(id: string | undefined): number {
  return Number(id?.split('.')[1]);
}

function leadsSomewhere(page: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? page : join(dirname(page), path);
  if (!existsSync(join(root, target))) return false;
  return anchor === undefined || anchorsOf(target).includes(anchor);
}

function anchorsOf(page: string): string[] {
  const headings = [...read(page).matchAll(/^#+ (.+)$/gm)];
  return headings.map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
