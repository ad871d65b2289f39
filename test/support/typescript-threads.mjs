// Lets the worker threads of a test run src as it is: they have no jest that would transform it.
import { register } from 'node:module';
import { isMainThread } from 'node:worker_threads';

if (!isMainThread) register('./typescript-hooks.mjs', import.meta.url);
