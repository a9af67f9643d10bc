insert into stalled_attempts (run, ident, claim, name, attempt, since_at, stack, session)
select ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 where exists (select 1 from runs where id = ?1 and claim = ?3 and coalesce(session, 0) = ?8)
on conflict (run, ident) do update
set claim = excluded.claim, name = excluded.name, attempt = excluded.attempt, since_at = excluded.since_at, stack = excluded.stack,
    session = excluded.session
