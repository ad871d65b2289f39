import { parseArgs } from 'node:util';
import { prepare } from './lib/prepare.mjs';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean' },
    /** A CPU profile instead of measurements, of this package or of the server named. */
    profile: { type: 'boolean' },
    server: { type: 'string', default: 'ours' },
    burst: { type: 'string', default: '1' },
  },
});
prepare();
const { runFull, runProfile, runQuick } = await import('./plan.mjs');
if (values.profile) await runProfile(values.server, Number(values.burst));
else await (values.quick ? runQuick() : runFull());
