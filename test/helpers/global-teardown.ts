import { removeScratch } from './scratch';
import { endEverything } from './teardown';

export default async function globalTeardown(): Promise<void> {
  await endEverything();
  if (process.env.BURSAR_TEST_SCRATCH) await removeScratch(process.env.BURSAR_TEST_SCRATCH);
}
