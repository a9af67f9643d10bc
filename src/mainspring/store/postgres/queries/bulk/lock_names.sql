select pg_advisory_xact_lock(number) from (select number from unnest(cast(? as bigint[])) as wanted(number) order by number) as ordered
