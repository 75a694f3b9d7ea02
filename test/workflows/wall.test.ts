/** The second wall, kept by the worker on a schedule. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { wallActivities } from '../../activities';
import { parseAmount } from '../../domain/money';
import { WALL_SCHEDULE } from '../../workflows/contracts/wall';
import { ensureWall } from '../../worker/schedules';
import { recordedSlurm } from '../helpers/recorded-slurm';
import { scratchFolder } from '../helpers/scratch';
import { freshNamespace, quietRuntime, startCrew, until } from './house';
import { CALLER, openSite } from './site';

test('the schedule sets the limits of each Slurm that can be reached to what is left, and goes where nobody wants it', async () => {
  quietRuntime();
  await using site = await openSite();
  await using namespace = await freshNamespace();
  const slurm = recordedSlurm({ clusters: ['heron', 'wall'] });
  await site.ledger.catalog.putCluster('wall', { timeZone: 'UTC' }, CALLER);
  await site.ledger.accounts.create(
    {
      name: 'proj-a',
      title: 'Project A',
      unit: 'USD',
      startsAt: '2026-01-01T00:00:00Z',
      endsAt: '2099-01-01T00:00:00Z',
      budgetLimit: parseAmount('2'),
    },
    CALLER,
  );
  await using _crew = await startCrew({
    namespace,
    ledger: site.ledger,
    wall: { bin: slurm.bin, clusters: ['pine', 'wall'] },
  });
  const { client } = namespace.temporal;
  await ensureWall(client, 1_000);
  const asked = await until('Slurm is asked', async () => {
    const lines = slurm.asked();
    return lines.length > 0 && lines;
  });
  expect(asked[0]).toContain('GrpTRESMins=billing=120026 ');
  await ensureWall(client, undefined);
  await expect(client.schedule.getHandle(WALL_SCHEDULE).describe()).rejects.toThrow();
});

test('a command of Slurm that hangs is ended when its time is over', async () => {
  await using site = await openSite();
  const bin = scratchFolder();
  writeFileSync(join(bin, 'scontrol'), '#!/bin/sh\nexec sleep 30\n');
  chmodSync(join(bin, 'scontrol'), 0o755);
  const { syncWall } = wallActivities({ walls: site.ledger.walls, wall: { bin, clusters: ['wall'], timeoutMs: 200 } });
  await expect(syncWall()).rejects.toThrow('scontrol did not end within 200 ms');
});
