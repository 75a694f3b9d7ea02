-- Audits outlast whoever asked for them, and are found by their number. Beside the books, the chain of seals is proved so too.
-- Old code may run beside this: it says once that it begins, and is taken for lost while it is still at a long one.

alter table ledger.audits
  add column kind text not null default 'books' check (kind in ('books', 'seals')),
  add column heard_at timestamptz not null default clock_timestamp(),  -- whoever is at it says so every ten seconds
  add column failure text;                                                 -- why there is no report, where somebody knows
