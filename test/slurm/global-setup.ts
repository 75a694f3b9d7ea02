/** The servers of every run, once Slurm is on this machine. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import commonSetup from '../helpers/global-setup';

export default async function globalSetup(): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new Error('These tests start daemons and jobs as other users, so they run as root: sudo npm run test:slurm');
  }
  const { status } = spawnSync(join(__dirname, 'install.sh'), { stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) throw new Error('Slurm is not on this machine, and could not be installed (see above).');
  await commonSetup();
}
