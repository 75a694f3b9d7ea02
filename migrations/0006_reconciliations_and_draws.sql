-- What draw_charge draws, while it does. Old code may run beside this.

-- An amount that a fund pays for a piece of what was used: from what a hold holds there (h), from its free money (a), or
-- from money that had expired (e).
create type ledger.drawn as (
  piece_no int,
  starts_at timestamptz,
  ends_at timestamptz,
  fund_no bigint,
  source "char",
  amount_micro bigint
);
