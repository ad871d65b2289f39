import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { Controller, type MessageEvent, Param, Sse } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import { SsePrometheusModule } from 'nestjs-event-stream/metrics/prometheus';
import { Registry } from 'prom-client';
import type { Observable } from 'rxjs';
import { parse } from 'yaml';
import { eachAdapter, onExpress } from '../support/each-adapter.js';
import { until } from '../support/until.js';
import { FailingBackplane } from './failing-backplane.js';

@Controller('rooms')
class Rooms {
  constructor(private readonly bus: EventBus) {}

  @Sse(':id')
  room(@Param('id') id: string): Observable<MessageEvent> {
    return this.bus.stream(`room.${id}`);
  }
}

function setup(registry: Registry, backplane?: FailingBackplane) {
  const imports = [SsePrometheusModule.forRoot({ registry })];
  const history = { topics: [{ match: 'room.kept', keepEvents: 10 }] };
  return { sse: { history, backplane }, controllers: [Rooms], imports };
}

eachAdapter((bench) => {
  it('gives a registry what OpenTelemetry gets, under the names that Prometheus gives it', async () => {
    const registry = new Registry();
    const app = await bench.start(setup(registry));
    const client = await bench.connect(app, '/rooms/1');
    await app.get(EventBus).publish('room.1', { data: 1 });
    await client.next();
    const route = 'http_request_method="GET",http_route="/rooms/:id"';
    const delivered = /^sse_server_delivered_events_total 1$/m;
    await until('the event is counted', async () => delivered.test(await registry.metrics()));
    const scrape = await registry.metrics();
    expect(scrape).toContain(`\nsse_server_active_connections{${route}} 1\n`);
    expect(scrape).toContain(`\nsse_server_connection_time_to_open_seconds_count{${route}} 1\n`);
    expect(scrape).toMatch(/^sse_server_network_io_bytes_total [1-9]/m);
    expect(scrape).toMatch(/^sse_backplane_publish_duration_seconds_count 1$/m);
    expect(scrape).toMatch(/^sse_server_gaps_total\{sse_gap_reason="trimmed"\} 0$/m);
    expect(scrape).not.toMatch(/room\.1|rooms\/1\b/);
    expect(await registry.metrics()).toMatch(delivered);
    client.close();
    // Streams last: hours are told apart.
    const lasted = (seconds: number) => `duration_seconds_bucket{le="${seconds}",${route}} 1\n`;
    await until('it has ended', async () => (await registry.metrics()).includes(lasted(28_800)));
    for (const seconds of [60, 3_600, 14_400, 86_400])
      expect(await registry.metrics()).toContain(lasted(seconds));
  });
});

describe('SsePrometheusModule', () => {
  const bench = onExpress();

  it('takes its metrics out of the registry when the application is closed', async () => {
    const registry = new Registry();
    await bench.start(setup(registry));
    await bench.stop();
    expect((await registry.metrics()).trim()).toBe('');
    await bench.start(setup(registry));
    expect(await registry.metrics()).toContain('sse_log_events 0');
  });

  it('refuses a registry that another application has, and says what to do', async () => {
    const registry = new Registry();
    await bench.start(setup(registry));
    await expect(bench.start(setup(registry))).rejects.toThrow(
      /give each application .* one of its own/,
    );
    expect(await registry.metrics()).toContain('sse_log_events 0');
  });
});

/** What PromQL knows itself. */
const NO_METRICS = new Set([
  'sum',
  'rate',
  'by',
  'le',
  'histogram_quantile',
  'max',
  'increase',
  'clamp_min',
  'scalar',
]);

/** Names of metrics in an expression: what is neither a label, a text nor a word of the language. */
function metricsIn(expression: string): string[] {
  const bare = expression
    .replace(/\{[^}]*\}|\[[^\]]*\]/g, '')
    .replace(/\b(by|without|on|ignoring)\s*\([^)]*\)/g, '');
  const words = bare.match(/[a-z_]\w*/gi) ?? [];
  return words.filter((word) => !NO_METRICS.has(word) && !/^(and|or|unless|on)$/.test(word));
}

/** Labels that an expression selects or groups by. */
function labelsIn(expression: string): string[] {
  const selected = [...expression.matchAll(/(\w+)\s*(?:=|!=|=~|!~)\s*"/g)].map(
    ([, label = '']) => label,
  );
  const grouped = [...expression.matchAll(/\bby\s*\(([^)]*)\)/g)].flatMap(([, labels = '']) =>
    labels.split(',').map((label) => label.trim()),
  );
  return [...selected, ...grouped];
}

/** Labels that Prometheus gives a target, or a histogram, itself. */
const OWN_LABELS = ['instance', 'job', 'le'];

interface Panel {
  readonly title: string;
  readonly type: string;
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
  readonly targets?: readonly { readonly expr: string }[];
}

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string };
}

describe('what docs/monitoring has', () => {
  const bench = onExpress();

  /** Of an application that has been used. */
  async function scraped(): Promise<string> {
    const registry = new Registry();
    const backplane = new FailingBackplane();
    const app = await bench.start(setup(registry, backplane));
    const gone = await bench.connect(app, '/rooms/1', { lastEventId: 'nonsense' });
    await gone.next('gap');
    gone.close();
    await bench.connect(app, '/rooms/1');
    await app.get(EventBus).publish('room.kept', { data: 1 });
    backplane.isFailing = true;
    await app
      .get(EventBus)
      .publish('room.1', { data: 1 })
      .catch(() => {});
    const ended = /^sse_server_ended_connections_total\{.*end_reason="client"/m;
    await until('it has ended', async () => ended.test(await registry.metrics()));
    return registry.metrics();
  }

  function expectKnown(expressions: readonly string[], scrape: string): void {
    const metrics = [...new Set(expressions.flatMap(metricsIn))];
    expect(metrics.length).toBeGreaterThan(5);
    const missing = metrics.filter((name) => !new RegExp(`^${name}[{ ]`, 'm').test(scrape));
    expect(missing).toEqual([]);
    const labels = [...new Set(expressions.flatMap(labelsIn))];
    const unknown = labels.filter((label) => !scrape.includes(`${label}="`));
    expect(unknown.filter((label) => !OWN_LABELS.includes(label))).toEqual([]);
  }

  it('is a Grafana dashboard whose panels ask for metrics and labels that there are', async () => {
    const text = readFileSync('docs/monitoring/grafana-dashboard.json', 'utf8');
    const { panels, title, uid } = JSON.parse(text) as Record<'title' | 'uid', string> & {
      panels: readonly Panel[];
    };
    expect([title, uid]).toEqual(['Event streams', 'nestjs-event-stream']);
    const asking = panels.filter(({ type }) => type !== 'row');
    for (const { targets, gridPos } of asking) {
      expect(targets?.length).toBeGreaterThan(0);
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    }
    expectKnown(
      asking.flatMap(({ targets = [] }) =>
        targets.map(({ expr }) => expr.replaceAll('$__rate_interval', '5m')),
      ),
      await scraped(),
    );
  });

  it('has alert rules that Prometheus reads, about metrics and labels that there are', async () => {
    const text = readFileSync('docs/monitoring/alerts.yaml', 'utf8');
    const { groups } = parse(text) as { groups: readonly { readonly rules: readonly Rule[] }[] };
    const rules = groups.flatMap((group) => group.rules);
    for (const rule of rules) {
      expect(rule.alert).toMatch(/^Sse[A-Z]\w+$/);
      expect(rule.for).toMatch(/^\d+[smh]$/);
      expect(['page', 'ticket']).toContain(rule.labels.severity);
      expect(rule.annotations.summary.length).toBeGreaterThan(10);
      expect(rule.annotations.description.length).toBeGreaterThan(10);
    }
    expectKnown(
      rules.map(({ expr }) => expr),
      await scraped(),
    );
  });
});
