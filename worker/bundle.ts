/** The workflows as one file, the way a worker runs them. Built ahead of time: a worker should start in no time. */
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { bundleWorkflowCode, type WorkflowBundleOption } from '@temporalio/worker';
import { PACKAGE_ROOT } from '../platform/paths';

export const WORKFLOW_BUNDLE = join(PACKAGE_ROOT, 'dist', 'workflow-bundle.js');

const isCompiled = relative(join(PACKAGE_ROOT, 'dist'), __dirname) === 'worker';

/** Bundles what stands beside this file: `dist/workflows` when compiled, `workflows` when running from the sources. */
export async function bundleWorkflows(): Promise<{ code: string }> {
  return bundleWorkflowCode({ workflowsPath: require.resolve('../workflows'), logger: silent });
}

/** What was built, when running compiled; the sources otherwise, which may be newer than what was built. */
export async function workflowBundle(): Promise<WorkflowBundleOption> {
  if (!isCompiled) return bundleWorkflows();
  if (!existsSync(WORKFLOW_BUNDLE)) throw new Error(`${WORKFLOW_BUNDLE} is missing: run "npm run build"`);
  return { codePath: WORKFLOW_BUNDLE };
}

const quiet = () => {};
/** Webpack's statistics interest nobody; its errors come as an exception. */
const silent = { log: quiet, trace: quiet, debug: quiet, info: quiet, warn: quiet, error: quiet };
