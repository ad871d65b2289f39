import { AsyncLocalStorage } from 'node:async_hooks';
import { TestEnvironment } from 'jest-environment-node';

const enabled = new Set();
const { _enable: enable } = AsyncLocalStorage.prototype;

// Up to Node 22 whoever makes a promise pays for each storage of the process that was ever used, and every test file
// has some of its own: jest's, and those of the modules that it loads anew.
if (typeof enable === 'function') {
  AsyncLocalStorage.prototype._enable = function () {
    enabled.add(this);
    enable.call(this);
  };
}

/** Node's, without what a test file leaves to those after it. */
export default class Environment extends TestEnvironment {
  async teardown() {
    await super.teardown();
    for (const storage of enabled) storage.disable();
    enabled.clear();
  }
}
