insert into attempts (run, ident, generation, attempt, name, state, request_number, claim, failure, undo, input, started_at, ended_at, next_at)
select ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14
where exists (select 1 from runs where id = ?1 and claim = ?8 and coalesce(session, 0) = ?15)
on conflict (run, ident, generation, attempt) do update
set name = excluded.name, state = excluded.state, request_number = excluded.request_number, claim = excluded.claim, failure = excluded.failure,
    undo = excluded.undo, input = excluded.input, started_at = excluded.started_at, ended_at = excluded.ended_at,
    next_at = excluded.next_at, superseded = null
