import {
  BadRequestException,
  Controller,
  Get,
  Header,
  Inject,
  NotFoundException,
  Param,
  Query,
  Sse,
} from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import { until } from '../../support/until.js';
import { bundle } from './bundle.js';
import type { Chromium } from './devtools.js';

const PAGE = `<!doctype html><meta charset="utf-8"><title>Tab</title><script type="module">
  import { connectEvents } from '/client/index.js';
  import { uniteTopics } from '/client/topics/index.js';
  const { fetch } = globalThis;
  window.requests = 0;
  const counted = async (url, init) => {
    window.requests++;
    init.signal.addEventListener('abort', () => window.requests--);
    await window.network?.();
    return fetch(url, init);
  };
  addEventListener('pageshow', ({ persisted }) => (window.isRestored = persisted));
  window.ids = [];
  window.numbers = [];
  window.named = [];
  window.gaps = [];
  const query = new URLSearchParams(location.search);
  const authorization = query.get('token');
  const headers = async () => {
    await window.token?.();
    return authorization === null ? {} : { authorization };
  };
  const topics = query.get('topics');
  const user = query.get('user');
  const topicsOf = ({ data }) => data.topic;
  const united = () => uniteTopics({ user: user ?? undefined, parameter: 'topics', topicsOf });
  const shared = () => (topics === null ? (user ?? true) : united());
  const share = query.has('alone') ? false : shared();
  const url = topics === null ? '/ticks' : '/ticks?topics=' + topics;
  const lastEventId = query.get('from') ?? undefined;
  window.events = connectEvents(url, { share, lastEventId, headers, fetch: counted });
  window.events.on('tick', ({ id, data }) => {
    window.ids.push(id);
    window.numbers.push(data.n);
    window.named.push(data.topic + data.n);
  });
  window.events.onGap(({ reason }) => void window.gaps.push(reason));
</script>`;

const FILES = await bundle('src/client/index.ts', 'src/client/topics/index.ts');

/** A page that shows ticks, and the client that it loads. */
@Controller()
export class TabsController {
  constructor(@Inject(EventBus) private readonly bus: EventBus) {}

  @Get()
  @Header('content-type', 'text/html')
  page(): string {
    return PAGE;
  }

  /** One that has no origin, and so neither locks nor storage. */
  @Get('sandboxed')
  @Header('content-type', 'text/html')
  @Header('content-security-policy', 'sandbox allow-scripts')
  sandboxed(): string {
    return PAGE;
  }

  @Get('client/*file')
  @Header('content-type', 'text/javascript')
  file(@Param('file') file: string | string[]): string {
    const text = FILES.get([file].flat().join('/'));
    if (text === undefined) throw new NotFoundException();
    return text;
  }

  @Sse('ticks')
  ticks(@Query('topics') topics = 'ticks') {
    const wanted = topics.split(',');
    if (wanted.includes('x') && wanted.includes('y')) throw new BadRequestException('Not both');
    return this.bus.stream(wanted);
  }
}

export class Tab {
  private constructor(
    private readonly chromium: Chromium,
    private readonly target: string,
    private readonly session: string,
  ) {}

  /** @param script runs before those of the page */
  static async open(chromium: Chromium, context: string, url: string, script = ''): Promise<Tab> {
    const { targetId } = await chromium.send<{ targetId: string }>('Target.createTarget', {
      url: 'about:blank',
      browserContextId: context,
    });
    const { sessionId } = await chromium.send<{ sessionId: string }>('Target.attachToTarget', {
      targetId,
      flatten: true,
    });
    const tab = new Tab(chromium, targetId, sessionId);
    await tab.#send('Page.enable');
    await tab.#send('Page.addScriptToEvaluateOnNewDocument', { source: script });
    await tab.visit(url);
    await tab.until(`globalThis.events?.state === 'live'`);
    return tab;
  }

  async evaluate<Result>(expression: string): Promise<Result> {
    const { result } = await this.#send<{ result: { value: Result } }>('Runtime.evaluate', {
      expression,
      returnByValue: true,
      awaitPromise: true,
    });
    return result.value;
  }

  async until(expression: string): Promise<void> {
    await until(expression, () => this.evaluate<boolean>(expression), 30_000);
  }

  /** Resolves when that many ticks have come. */
  receives(count: number): Promise<void> {
    return this.until(`numbers.length >= ${count}`);
  }

  numbers(): Promise<number[]> {
    return this.evaluate('numbers');
  }

  /** Topic and number of each tick. */
  named(): Promise<string[]> {
    return this.evaluate('named');
  }

  /** How many requests it has open. */
  requests(): Promise<number> {
    return this.evaluate('requests');
  }

  cursor(): Promise<string> {
    return this.evaluate('events.lastEventId');
  }

  async visit(url: string): Promise<void> {
    await this.#send('Page.navigate', { url });
    await this.until(`location.href === '${new URL(url).href}'`);
  }

  async setFrozen(isFrozen: boolean): Promise<void> {
    const state = isFrozen ? 'frozen' : 'active';
    await this.#send('Page.setWebLifecycleState', { state });
  }

  async setOffline(offline: boolean): Promise<void> {
    const unlimited = { latency: 0, downloadThroughput: -1, uploadThroughput: -1 };
    await this.#send('Network.enable');
    await this.#send('Network.emulateNetworkConditions', { offline, ...unlimited });
  }

  async close(): Promise<void> {
    await this.chromium.send('Target.closeTarget', { targetId: this.target });
  }

  /** Ends its process, without a goodbye; nobody answers then. */
  crash(): void {
    void this.#send('Page.crash');
  }

  #send<Result>(method: string, params: object = {}): Promise<Result> {
    return this.chromium.send(method, params, this.session);
  }
}
