insert into attempts (run, ident, generation, attempt, name, state, request_number, claim, failure, started_at, ended_at, next_at)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (run, ident, generation, attempt) do update
set state = excluded.state, failure = excluded.failure, started_at = excluded.started_at, ended_at = excluded.ended_at, next_at = excluded.next_at
