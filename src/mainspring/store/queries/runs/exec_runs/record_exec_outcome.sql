insert into journal (run, rank, ident, name, kind, state, request_number, attempt, generation, claim, input, output, failure, started_at, at, duration_us)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict do nothing
