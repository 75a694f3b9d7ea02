-- How a refusal is found from the job that it refused, so that its story can tell why it never ran. Few rows: a check that
-- named the scheduler's id and was refused. Old code may run beside this.

create index decisions_refused_by_job on ledger.decisions ((request ->> 'jobId'))
  where code <> 'placed' and request ->> 'jobId' is not null;
