insert into stream_writers (run, ident, stream, source, generation, attempt, next_n) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
on conflict (run, ident, stream) do update
set source = excluded.source, generation = excluded.generation, attempt = excluded.attempt, next_n = excluded.next_n
