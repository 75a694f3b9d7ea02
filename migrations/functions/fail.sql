-- fail raises a fault of domain/faults.ts: its code, the sentence for the caller, and facts (amounts as decimal strings).
-- ledger/errors.ts turns it back into a Fault. The fact "pointer" names the field of the request that is wrong.
create function ledger.fail(p_code text, p_detail text, p_facts jsonb default '{}') returns void
language plpgsql
as $$
begin
  raise exception using errcode = 'LD001', message = p_detail, hint = p_code, detail = p_facts::text;
end;
$$;
