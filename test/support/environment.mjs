import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as elapse } from 'node:timers/promises';
import { TestEnvironment } from 'jest-environment-node';
import { provideBundled } from './dependencies.mjs';

/** Milliseconds for what was closed to be gone. */
const PATIENCE = 10_000;

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

/** Node's, without what a test file leaves to those after it; what would keep its process alive is a mistake. */
export default class Environment extends TestEnvironment {
  #before = activeResources();

  constructor(config, context) {
    super(config, context);
    provideBundled(this.context, this.global);
  }

  async teardown() {
    await super.teardown();
    for (const storage of enabled) storage.disable();
    enabled.clear();
    const left = await this.#left();
    if (left.length > 0) throw new Error(`The tests have left open: ${left.join(', ')}`);
  }

  async #left() {
    const end = performance.now() + PATIENCE;
    for (;;) {
      const now = activeResources();
      const left = [...now].filter(([type, count]) => count > (this.#before.get(type) ?? 0));
      if (left.length === 0 || performance.now() > end) return left.map(([type]) => type);
      await elapse(5, undefined, { ref: false });
    }
  }
}

// Node opens them when they are first written to, which is no fault of the test file that does.
void process.stdout;
void process.stderr;

/** How many there are of what keeps the process alive, by type. */
function activeResources() {
  const counts = new Map();
  for (const type of process.getActiveResourcesInfo()) {
    counts.set(type, (counts.get(type) ?? 0) + 1);
  }
  return counts;
}
