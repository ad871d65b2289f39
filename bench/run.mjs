import { prepare } from './lib/prepare.mjs';

const quick = process.argv.includes('--quick');
prepare();
const { runFull, runQuick } = await import('./plan.mjs');
await (quick ? runQuick() : runFull());
