/** `npm run bench -- <what> [--json FILE] [--quick] [--key]`: every number we quote, measured again (README.md in this folder). */
import { parseArgs } from 'node:util';
import { checkBench } from './check';
import { keyedCheckBench } from './keyed-check';
import { growthBench } from './growth';
import { importBench } from './import';
import { importSacctBench } from './import-sacct';
import { lifecycleBench } from './lifecycle';
import { replayBench } from './replay';
import type { Options } from './report';
import { slurmBench } from './slurm';
import { startupBench } from './startup';

const BENCHES: Record<string, (options: Options) => Promise<boolean>> = {
  check: (options) => (options.key ? keyedCheckBench : checkBench)(options),
  lifecycle: lifecycleBench,
  growth: growthBench,
  startup: startupBench,
  import: importBench,
  'import-sacct': importSacctBench,
  slurm: slurmBench,
  replay: replayBench,
};

const USAGE = `npm run bench -- ${Object.keys(BENCHES).join('|')} [--json FILE] [--quick] [--key]

Ends with 1 where a mark is missed. --quick shows that it works; its figures are not to be quoted.
--key, of check alone: how fast it is for who asks with an API key, beside who needs none.
`;

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'string' },
      quick: { type: 'boolean', default: false },
      key: { type: 'boolean', default: false },
      help: { type: 'boolean' },
    },
  });
  const bench = BENCHES[positionals[0] ?? ''];
  if (!bench || positionals.length !== 1 || values.help || (values.key && positionals[0] !== 'check')) {
    (values.help ? process.stdout : process.stderr).write(USAGE);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const { json, quick, key } = values;
  const reached = await bench({ quick, key, ...(json === undefined ? {} : { json }) });
  process.exitCode = reached ? 0 : 1;
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});
