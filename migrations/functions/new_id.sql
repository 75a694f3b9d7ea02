-- new_id makes an outer id: a kind, an underscore, a ULID (48 bits of milliseconds, then 79 random bits).
--
-- Movements make their ids here because only they know how many transactions they write: one deposit, but as many
-- expiries as funds had money left. Ids of holds come from TypeScript, with the batch.
create function ledger.new_id(p_kind text) returns text
language plpgsql volatile
as $$
declare
  v_alphabet constant text := '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
  v_ms bigint := floor(extract(epoch from clock_timestamp()) * 1000);
  v_random bytea := uuid_send(gen_random_uuid());
  v_ulid text := '';
begin
  for i in reverse 9..0 loop
    v_ulid := v_ulid || substr(v_alphabet, ((v_ms >> (5 * i)) & 31)::int + 1, 1);
  end loop;
  for i in 0..15 loop
    v_ulid := v_ulid || substr(v_alphabet, (get_byte(v_random, i) & 31) + 1, 1);
  end loop;
  return p_kind || '_' || v_ulid;
end;
$$;
