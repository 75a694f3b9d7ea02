/** The second wall, kept by the worker on a schedule. */
import { DefaultLogger } from '@temporalio/worker';
import { MockActivityEnvironment } from '@temporalio/testing';
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

test('users whose own default QOS goes round the wall are named in the log, once, and again where that changes', async () => {
  await using site = await openSite();
  await site.ledger.catalog.putCluster('wall', { timeZone: 'UTC' }, CALLER);
  const { startsAt, endsAt } = { startsAt: '2026-01-01T00:00:00Z', endsAt: '2099-01-01T00:00:00Z' };
  const account = { name: 'proj-a', title: 'Project A', unit: 'USD', startsAt, endsAt, budgetLimit: parseAmount('2') };
  await site.ledger.accounts.create(account, CALLER);
  const slurm = recordedSlurm();
  const { syncWall } = wallActivities({ walls: site.ledger.walls, wall: { bin: slurm.bin, clusters: ['wall'] } });
  const said: [string, unknown][] = [];
  const logger = new DefaultLogger('INFO', ({ message, meta }) => said.push([message, meta?.users]));
  /** What is said of users while they have these associations. */
  const syncing = async (...users: string[]) => {
    slurm.associations(['proj-a||bursar_proj-a,normal|bursar_proj-a', ...users, ''].join('\n'));
    said.length = 0;
    await new MockActivityEnvironment({}, { logger }).run(syncWall);
    return said.filter(([message]) => message.includes('round the wall'));
  };
  const inside = (user: string) => `proj-a|${user}|bursar_proj-a,normal|bursar_proj-a`;
  const outside = (user: string) => `proj-a|${user}|normal|normal`;
  const named = 'users go round the wall unasked';

  expect(await syncing(inside('alice'), inside('bob'))).toEqual([]);
  expect(await syncing(outside('alice'), inside('bob'))).toEqual([[named, ['alice in proj-a: normal']]]);
  expect(await syncing(inside('bob'), outside('alice'))).toEqual([]);
  expect(await syncing(outside('alice'), outside('bob'))).toEqual([
    [named, ['alice in proj-a: normal', 'bob in proj-a: normal']],
  ]);
  expect(await syncing(inside('alice'), inside('bob'))).toEqual([
    ['no user goes round the wall unasked any more', undefined],
  ]);
});

test('a command of Slurm that hangs is ended when its time is over', async () => {
  await using site = await openSite();
  const bin = scratchFolder();
  writeFileSync(join(bin, 'scontrol'), '#!/bin/sh\nexec sleep 30\n');
  chmodSync(join(bin, 'scontrol'), 0o755);
  const { syncWall } = wallActivities({ walls: site.ledger.walls, wall: { bin, clusters: ['wall'], timeoutMs: 200 } });
  await expect(syncWall()).rejects.toThrow('scontrol did not end within 200 ms');
});
