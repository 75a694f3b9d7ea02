-- A job that was taken to be over may come back: Slurm says of a failed node that a run ended, and only later that the job is run
-- again. Its hold, closed by then, is opened once more. Old code may run beside this: it leaves such a hold closed.
alter table ledger.holds add column reopened_at timestamptz;
