insert into checkpoints (run, ident, claim, value, done, total, at)
select ?1, ?2, ?3, ?4, ?5, ?6, ?7 where exists (select 1 from runs where id = ?1 and claim = ?3 and session = ?8)
on conflict (run, ident) do update
set claim = excluded.claim, value = coalesce(excluded.value, value), done = coalesce(excluded.done, done),
    total = coalesce(excluded.total, total), at = excluded.at
