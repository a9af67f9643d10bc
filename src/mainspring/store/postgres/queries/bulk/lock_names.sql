select pg_advisory_xact_lock(number) from (select number from unnest(cast(? as bigint[])) as requested(number) order by number) as ordered
