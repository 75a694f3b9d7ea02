/** What the tests of settlement say again and again. */
import type { Resources } from '../../domain/job';
import type { Sql } from '../../platform/postgres';

export const minutesFromNow = (minutes: number) => new Date(Date.now() + minutes * 60_000).toISOString();

export const nodes = (count: number): Resources => ({ nodes: count, cpus: 8, gpus: 0, gpusByModel: {}, memoryMib: 0 });

let jobNumber = 0;
export const nextJob = () => `s${(jobNumber += 1)}`;

/** Charges of a hold, oldest first, as decimal strings. */
export const chargesOf = async (sql: Sql, holdId: string) => {
  const rows = await sql<{ key: string; amount: string; source: string }[]>`
    select split_part(run_key, '/', 2) as key, ledger.decimal_of(amount_micro + adjusted_micro) as amount, source
    from ledger.charges join ledger.holds using (hold_no) where hold_id = ${holdId} order by run_key`;
  return rows.map(({ key, amount, source }) => `${key} ${source} ${amount}`);
};
