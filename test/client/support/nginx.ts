import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../../support/until.js';

/** A proxy before one port, which answers 502 while nobody listens there. */
export class Nginx {
  private constructor(
    readonly url: string,
    private readonly process: ChildProcess,
    private readonly folder: string,
  ) {}

  static async start(path: string, port: number, upstream: number): Promise<Nginx> {
    const folder = mkdtempSync(join(tmpdir(), 'nginx-'));
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `${name}_temp_path ${join(folder, name)};`)
      .join('\n');
    const config = `
      daemon off;
      master_process off;
      pid ${join(folder, 'pid')};
      error_log ${join(folder, 'error.log')};
      events {}
      http {
        access_log off;
        ${temporary}
        server {
          listen 127.0.0.1:${port};
          location / {
            proxy_pass http://127.0.0.1:${upstream};
            proxy_http_version 1.1;
            proxy_set_header Connection '';
            proxy_buffering off;
          }
        }
      }`;
    const file = join(folder, 'nginx.conf');
    writeFileSync(file, config);
    const process = spawn(path, ['-p', folder, '-c', file, '-e', join(folder, 'error.log')], {
      stdio: 'ignore',
    });
    const nginx = new Nginx(`http://127.0.0.1:${port}`, process, folder);
    await until('nginx answers', async () => (await nginx.status()) !== undefined);
    return nginx;
  }

  /** What a page gets now. */
  async status(): Promise<number | undefined> {
    return fetch(this.url).then(
      ({ status }) => status,
      () => undefined,
    );
  }

  async stop(): Promise<void> {
    const closed = once(this.process, 'close');
    this.process.kill();
    await closed;
    rmSync(this.folder, { recursive: true, force: true });
  }
}
