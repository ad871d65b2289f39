const { join } = require('node:path');

/** Left out of the bundle, and loaded by Node as they are. */
const installed = /^(@nestjs\/|nestjs-event-stream|ioredis|reflect-metadata|rxjs)/;

module.exports = {
  mode: 'production',
  target: 'node20',
  entry: './application.ts',
  output: { path: join(__dirname, 'dist'), filename: 'application.js' },
  externals: [
    ({ request }, done) => (installed.test(request) ? done(null, `commonjs ${request}`) : done()),
  ],
  optimization: { minimize: false },
  module: {
    rules: [
      {
        test: /\.ts$/,
        loader: 'swc-loader',
        options: {
          jsc: {
            parser: { syntax: 'typescript', decorators: true },
            transform: { legacyDecorator: true, decoratorMetadata: true },
            target: 'es2022',
          },
        },
      },
    ],
  },
};
