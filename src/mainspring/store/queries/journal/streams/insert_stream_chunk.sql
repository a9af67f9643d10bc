insert into stream_chunks (run, stream, seq, kind, source, ident, name, generation, attempt, n, at, records, size, upto, body)
values (:run, :stream, :seq, :kind, :source, :ident, :name, :generation, :attempt, :n, :at, :records, :size, :upto, :body)
