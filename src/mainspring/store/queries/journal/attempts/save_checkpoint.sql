insert into checkpoints (run, ident, claim, value, done, total, at)
select ?1, ?2, ?3, ?4, ?5, ?6, ?7 where exists (select 1 from runs where id = ?1 and claim = ?3 and coalesce(session, 0) = ?8)
on conflict (run, ident) do update
set claim = excluded.claim, value = coalesce(excluded.value, checkpoints.value), done = coalesce(excluded.done, checkpoints.done),
    total = coalesce(excluded.total, checkpoints.total), at = excluded.at
