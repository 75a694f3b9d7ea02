/** What somebody with the rights of the tables' owner does before he changes what was written. */
import type { Sql, Tx } from '../../platform/postgres';

/** Without it a change is refused (migrations/0008_written_once.sql). Inside a transaction it ends with it. */
export const disarm = (sql: Sql | Tx) =>
  sql.unsafe(`do $$
    declare v_table regclass;
    begin
      for v_table in select tgrelid from pg_trigger where tgname like '%_are_written_once' loop
        execute format('alter table %s disable trigger user', v_table);
      end loop;
    end $$`);
