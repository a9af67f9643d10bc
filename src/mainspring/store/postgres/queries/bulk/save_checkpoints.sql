insert into checkpoints (run, ident, claim, value, done, total, at)
select requested.*, cast(?7 as bigint)
from (select * from unnest(cast(?1 as text[]), cast(?2 as text[]), cast(?3 as bigint[]), cast(?4 as bytea[]), cast(?5 as bigint[]), cast(?6 as bigint[])) limit cardinality(cast(?1 as text[])))
     as requested(run, ident, claim, value, done, total)
join runs on runs.id = requested.run and runs.claim = requested.claim and coalesce(runs.session, 0) = ?8
on conflict (run, ident) do update
set claim = excluded.claim, value = coalesce(excluded.value, checkpoints.value), done = coalesce(excluded.done, checkpoints.done),
    total = coalesce(excluded.total, checkpoints.total), at = excluded.at
returning run, ident
