/** An accounting log in the making, and what `bursar import sacct` makes of it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { renderAmount } from '../../../domain/money';
import { exactOf } from '../../../domain/usage-report';
import type { TestDatabase } from '../../helpers/database';
import type { JobsHouse } from '../../ledger/jobs-house';
import { runBursar, type Ended } from './cli';

/** Call it where a suite begins: a folder for its logs, which goes with it. */
export function openSacctFolder() {
  let folder: string;
  beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'bursar-sacct-'))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const inFolder = (name: string): string => join(folder, name);
  const fileOf = (content: string | Buffer, name = 'sacct.log'): string => {
    writeFileSync(inFolder(name), content);
    return inFolder(name);
  };
  const importing = ({ url }: Pick<TestDatabase, 'url'>, content: string | Buffer, ...args: string[]): Promise<Ended> =>
    runBursar(['import', 'sacct', fileOf(content), '--cluster', 'hpc', '--database-url', url, ...args]);
  return { inFolder, fileOf, importing };
}

export const HEADER = 'JobID|Cluster|Partition|Account|User|Submit|Start|End|Elapsed|State|AllocTRES|NodeList|JobIDRaw';

export interface Row {
  id: string;
  raw?: string;
  cluster?: string;
  account?: string;
  partition?: string;
  user?: string;
  submit?: string;
  start?: string;
  end?: string;
  elapsed?: string;
  state?: string;
  tres?: string;
  nodes?: string;
}

/** An hour of two nodes and eight CPUs at noon of 2 March, unless the changes say otherwise. */
export const row = ({
  id,
  cluster = 'hpc',
  account = 'physics',
  partition = 'batch',
  user = 'rkaur',
  state = 'COMPLETED',
  ...more
}: Row): string =>
  [
    id,
    cluster,
    partition,
    account,
    user,
    more.submit ?? '2026-03-02T11:00:00',
    more.start ?? '2026-03-02T12:00:00',
    more.end ?? '2026-03-02T13:00:00',
    more.elapsed ?? '',
    state,
    more.tres ?? 'billing=8,cpu=8,mem=16G,node=2',
    more.nodes ?? 'n[1-2]',
    more.raw ?? '',
  ].join('|');

export const log = (...rows: Row[]): string => [HEADER, ...rows.map(row), ''].join('\n');

export const MARCH = { from: '2026-03-01', to: '2026-03-31' };

/** Jobs, CPU-seconds, GPU-seconds, money and jobs without hours of that month. */
export async function used({ ledger }: JobsHouse) {
  const { total } = await ledger.usage.report({ period: MARCH, cluster: 'hpc' }, { limit: 1 });
  const { cpu, gpu } = total.seconds;
  return [total.jobs, exactOf(cpu), exactOf(gpu), renderAmount(total.amount), total.unmetered];
}

export const EVERYTHING: Row[] = [
  { id: '100' },
  { id: '100.batch', account: 'physics' },
  { id: '100.extern', account: 'physics' },
  // Requeued: the first run, and the one after it. Then the id is given out again.
  { id: '101', state: 'REQUEUED', end: '2026-03-02T12:30:00' },
  { id: '101', start: '2026-03-02T14:00:00', end: '2026-03-02T14:30:00' },
  { id: '101', submit: '2026-03-09T11:00:00', start: '2026-03-09T12:00:00', end: '2026-03-09T12:15:00' },
  { id: '102_7', state: 'FAILED' },
  { id: '102_[8-20%2]', state: 'PENDING', start: 'Unknown', end: 'Unknown', tres: '', nodes: 'None assigned' },
  { id: '103+1', state: 'TIMEOUT' },
  { id: '104', state: 'CANCELLED by 4711', nodes: 'None assigned', tres: '' },
  { id: '105', state: 'RUNNING', end: 'Unknown' },
  { id: '106', state: 'REVOKED' },
  { id: '107', cluster: 'elsewhere' },
  { id: '108', account: 'unheard' },
  { id: '109', end: 'yesterday' },
];
