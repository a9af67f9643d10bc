insert into journal (run, rank, ident, name, kind, state, asked, attempt, generation, claim, input, output, failure, started_at, at, took_us)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict do nothing
