-- A controller that is sent many equal jobs one after the other may be given the holds of the next ones beforehand: it stamps a job
-- with one of them and asks nobody. Which it may do until use_by; what no job carries then is given back. Old code may run beside
-- this: it places none.
alter table ledger.holds add column use_by timestamptz;
