import type { Type } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';
import { SseError } from './errors.js';

/**
 * @param why not twice, as the end of a sentence
 * @throws SseError `DUPLICATE_MODULE` if the application imports the module more than once
 */
export function checkOnce(modules: ModulesContainer, module: Type, why: string): void {
  const { length } = [...modules.values()].filter(({ metatype }) => metatype === module);
  if (length <= 1) return;
  throw new SseError(
    'DUPLICATE_MODULE',
    `${module.name} is imported ${length} times; import it once, in the root module: ${why}`,
  );
}

/** For a module that is imported as a class. */
export function withoutForRoot(module: Type): SseError {
  return new SseError(
    'MODULE_WITHOUT_OPTIONS',
    `${module.name} is imported without options. Write \`imports: [SseModule.forRoot(), ${module.name}.forRoot()]\`, ` +
      'in the root module',
  );
}
