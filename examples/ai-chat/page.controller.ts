import { join } from 'node:path';
import { Controller, Get, Header, Injectable, type OnModuleInit } from '@nestjs/common';
import { build } from 'esbuild';

/** Gives the page its script, put together when the application starts; yours comes from your own build. */
@Injectable()
@Controller()
export class PageController implements OnModuleInit {
  #script = '';

  async onModuleInit(): Promise<void> {
    const { outputFiles } = await build({
      entryPoints: [join(import.meta.dirname, 'public/chat.jsx')],
      bundle: true,
      write: false,
      jsx: 'automatic',
      define: { 'process.env.NODE_ENV': '"production"' },
    });
    this.#script = outputFiles[0]?.text ?? '';
  }

  @Get('chat.js')
  @Header('content-type', 'text/javascript')
  script(): string {
    return this.#script;
  }
}
