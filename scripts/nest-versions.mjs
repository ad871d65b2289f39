/**
 * The oldest and the newest of each line of Nest that is supported, oldest first, as npm is asked for them. `fastify` where the
 * adapter for Fastify was not published in this version; `isShort` for those that CI runs.
 *
 * @type {readonly { nest: string, fastify?: string, isShort?: boolean }[]}
 */
export const NEST_VERSIONS = [
  { nest: '11.1.20', isShort: true },
  { nest: '~11.1.20', isShort: true },
  { nest: '11.2.0', fastify: '11.2.1', isShort: true },
  { nest: '~11.2.0', isShort: true },
  // 12.0.0 cannot be installed: its core asks for a common of 11.
  { nest: '12.0.1', isShort: true },
  { nest: '~12.0.1' },
  { nest: '12.1.0' },
  { nest: '~12.1.0' },
  { nest: '12.2.0' },
  { nest: '^12.2.0', isShort: true },
];

export const ADAPTERS = ['express', 'fastify'];

/** What an application on both adapters installs. */
export function nestPackages({ nest, fastify = nest }) {
  return [
    ...['common', 'core', 'platform-express'].map((name) => `@nestjs/${name}@${nest}`),
    `@nestjs/platform-fastify@${fastify}`,
    'reflect-metadata@^0.2.0',
    'rxjs@^7.8.1',
  ];
}
