select run, rank, ident, name, kind, state, asked, attempt, generation, started_at, at, took_us, input, output, failure, undo, superseded
from journal where run in (select value from json_each(?)) order by run, rank
