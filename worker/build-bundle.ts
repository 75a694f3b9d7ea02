/** Writes dist/workflow-bundle.js. Part of `npm run build`, after the compiler. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { bundleWorkflows, WORKFLOW_BUNDLE } from './bundle';

async function main(): Promise<void> {
  const { code } = await bundleWorkflows();
  await mkdir(dirname(WORKFLOW_BUNDLE), { recursive: true });
  await writeFile(WORKFLOW_BUNDLE, code);
}

void main();
