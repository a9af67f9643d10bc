insert into stream_chunks (run, stream, seq, kind, source, ident, name, generation, attempt, n, at, records, size, upto, body)
select cast(:successor as text), old.stream, old.seq + old.records - 1, :kind, cast(:successor as text), '', '', 0, 0, 1, :now, 1, 0, 0, :body
from stream_chunks as old
where old.run = :run and not exists (select 1 from stream_chunks as later where later.run = old.run and later.stream = old.stream and later.seq > old.seq)
