import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import ts from 'typescript';
import { connectSse, type SseTestClient } from 'nestjs-event-stream/testing';
import { resolveOptions } from '../../src/nest/options.js';
import { type Snippet, snippetsOf } from './snippets.js';
import { typeCheck } from './type-check.js';
import { type Program, Workspace } from './workspace.js';

const root = join(import.meta.dirname, '../..');
const application = join(import.meta.dirname, 'application');
const pages = [
  'README.md',
  'CHANGELOG.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const snippets = pages.flatMap((page) => snippetsOf(page, read(page)));
const typed = snippets.filter(({ language }) => language === 'ts');

describe('the snippets of the documentation', () => {
  it('compile as they are written', () => {
    expect(typed.length).toBeGreaterThan(10);
    expect(typeCheck(typed, root, application)).toEqual([]);
  }, 60_000);

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

describe('the documentation', () => {
  it.each(pages)('links to what there is: %s', (page) => {
    const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, to]) => to);
    const missing = links.filter((to = '') => !/^https?:/.test(to) && !leadsSomewhere(page, to));
    expect(missing).toEqual([]);
  });

  it('gives the defaults that the options have', () => {
    const rows = read('README.md').matchAll(/^\| `([\w.]+)` +\| `?([^`|]+)/gm);
    const told = Object.fromEntries([...rows].map(([, name = '', value = '']) => [name, value]));
    const { backplane: _backplane, history, drain, retry, ...options } = resolveOptions();
    const { backplane, retry: toldRetry, ...numbers } = told;
    expect(backplane?.trim()).toBe('in memory');
    expect(toldRetry?.match(/[\d_]+/g)?.map(toNumber)).toEqual(retry && [retry.min, retry.max]);
    const values = Object.entries(numbers).map(([name, value]) => [
      name,
      value === 'false' ? false : toNumber(value),
    ]);
    expect(Object.fromEntries(values)).toEqual({
      ...options,
      ...prefixed('history', { ...history }),
      ...prefixed('drain', { ...drain }),
    });
  });
});

describe('the first example', () => {
  let workspace: Workspace;

  beforeAll(() => {
    workspace = new Workspace(root);
  });

  afterAll(() => workspace.remove());

  it('runs as it is written, and sends what the page shows', async () => {
    const { code } = named('main.ts');
    const port = await freePort();
    workspace.add({ file: 'main.ts', code: code.replace('3000', String(port)) });
    workspace.add({ file: 'run.ts', code: `await import('./main.js'); process.send?.('runs');` });
    expect(await workspace.run('run.js').ask()).toBe('runs');
    const client = await connectSse(`http://127.0.0.1:${port}`, '/news');
    const [first, second] = await client.take(2);
    client.close();
    expect(`${client.text}\n`).toMatch(framesShown());
    expect(offsetOf(second?.lastEventId)).toBe(offsetOf(first?.lastEventId) + 1);
  });
});

describe('the other examples, in one application without Redis', () => {
  let workspace: Workspace;
  let program: Program;
  let url: string;
  const clients: SseTestClient[] = [];

  beforeAll(async () => {
    workspace = new Workspace(root);
    workspace.addFolder(application);
    const runs = ({ page, file }: Snippet) =>
      !/^docs\/(scaling|guide\/)/.test(page) && file !== 'main.ts';
    for (const snippet of typed.filter(runs)) workspace.add(snippet);
    program = workspace.run('start.mjs');
    url = (await program.ask()) as string;
  });

  afterAll(async () => {
    for (const client of clients) client.close();
    await workspace.remove();
  });

  it('notify all tabs of a user, who has to be signed in', async () => {
    expect((await connect('/notifications')).status).toBe(401);
    const headers = { cookie: 'session=ada' };
    const tabs = [
      await connect('/notifications', headers),
      await connect('/notifications', headers),
    ];
    const other = await connect('/notifications', { cookie: 'session=bob' });
    await send('notify', 'ada', 'Hello');
    for (const tab of tabs) expect((await tab.next()).json()).toEqual({ text: 'Hello' });
    await send('publish', 'announcements', { data: 'to all' });
    expect((await other.next()).data).toBe('to all');
    expect(await send('signOut', 'ada')).toBe(2);
    await Promise.all(tabs.map(({ closed }) => closed));
  });

  it('follow a job from its start to its end', async () => {
    const response = await fetch(`${url}/jobs`, { method: 'POST' });
    const { id } = (await response.json()) as { id: string };
    const client = await connect(`/jobs/${id}`);
    expect((await client.next()).json()).toEqual({ percent: 50 });
    expect((await client.next()).type).toBe('done');
    await client.closed;
  });

  it('answer a question token by token', async () => {
    const client = await connectSse(url, '/answers', { body: { question: 'Why?' } });
    const tokens = await client.take(3);
    expect(client.status).toBe(200);
    expect(tokens.map(({ data }) => data).join('')).toBe('You asked:\nWhy?');
  });

  it('begin with a snapshot', async () => {
    const client = await connect('/orders');
    expect((await client.next('orders')).json()).toEqual([{ id: 7, state: 'paid' }]);
    await send('publish', 'orders', { type: 'order', data: { id: 8 } });
    expect((await client.next()).json()).toEqual({ id: 8 });
  });

  it('go on from a REST answer', async () => {
    const response = await fetch(`${url}/board`);
    const { lastEventId } = (await response.json()) as { lastEventId: string };
    await send('publish', 'orders', { type: 'order', data: { id: 9 } });
    const client = await connect(`/board/changes?lastEventId=${lastEventId}`);
    expect((await client.next()).json()).toEqual({ id: 9 });
  });

  it('pass ids on through operators that wait', async () => {
    const translated = await connect('/ticker/translated');
    const batched = await connect('/ticker/batched');
    const first = await send('publish', 'ticker', { data: 'one' });
    const second = await send('publish', 'ticker', { data: 'two' });
    const [one, two] = await translated.take(2);
    expect([one?.data, one?.lastEventId]).toEqual(['ONE', first]);
    expect([two?.data, two?.lastEventId]).toEqual(['TWO', second]);
    const batch = await batched.next();
    expect(batch.json()).toEqual(['one', 'two']);
    expect(batch.lastEventId).toBe(second);
  });

  it("publish from a handler of @nestjs/cqrs' EventBus, typed events, and what is no event of the bus", async () => {
    const ada = await connect('/notifications', { cookie: 'session=ada' });
    await send('ship', 'order-7', 'ada');
    expect((await ada.next('order-shipped')).json()).toEqual({ orderId: 'order-7' });
    const prices = await connect('/prices');
    await send('setPrice', 'ABC', 0);
    await send('setPrice', 'ABC', 12);
    expect((await prices.next('price')).json()).toEqual({ symbol: 'ABC', cents: 12 });
    const clock = await connect('/clock');
    expect(Date.parse((await clock.next()).data)).not.toBeNaN();
    const response = await fetch(`${url}/connections`);
    expect(await response.json()).toMatchObject({ behind: [], ended: { closed: 2 } });
  });

  it('pass the test that they show', async () => {
    const jest = workspace.run(
      join(root, 'node_modules/jest/bin/jest.js'),
      [
        '--forceExit',
        '--config',
        JSON.stringify({ testRegex: 'notifier\\.spec\\.js$', transform: {} }),
      ],
      ['--experimental-vm-modules'],
    );
    const code = await jest.ended;
    expect(code === 0 ? 'passed' : jest.output).toBe('passed');
  }, 60_000);

  async function connect(path: string, headers?: Record<string, string>): Promise<SseTestClient> {
    const client = await connectSse(url, path, { headers });
    clients.push(client);
    return client;
  }

  function send(...command: unknown[]): Promise<unknown> {
    return program.ask(command);
  }
});

function read(page: string): string {
  return readFileSync(join(root, page), 'utf8');
}

function named(file: string): Snippet {
  const found = typed.find((snippet) => snippet.file === file);
  if (found === undefined) throw new Error(`No snippet is named ${file}`);
  return found;
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
