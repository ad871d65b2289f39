import type { RegistryObserver } from '../registry/registry.js';

/** Knows what is registered. */
export interface RegistryLike {
  register(key: string, value: unknown): void;
  unregister(key: string): void;
  close(): Promise<void>;
}

/** What is registered where there is no other instance. */
export class LocalRegistry implements RegistryLike {
  readonly #instance: string;
  readonly #observer: RegistryObserver<unknown>;
  readonly #values = new Map<string, unknown>();

  constructor(instance: string, observer: RegistryObserver<unknown>) {
    this.#instance = instance;
    this.#observer = observer;
  }

  register(key: string, value: unknown): void {
    this.#values.set(key, value);
    this.#observer.onRegister({ by: this.#instance, key, value, at: Date.now() });
  }

  unregister(key: string): void {
    const value = this.#values.get(key);
    if (!this.#values.delete(key)) return;
    const registration = { by: this.#instance, key, value, at: Date.now() };
    this.#observer.onUnregister(registration, performance.now());
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
