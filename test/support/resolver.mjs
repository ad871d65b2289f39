import { bundled } from './dependencies.mjs';

/** Jest's, but for what is bundled. */
export default function resolve(path, options) {
  return bundled(options.defaultResolver(path, options));
}
