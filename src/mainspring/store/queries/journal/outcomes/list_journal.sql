select rank, ident, name, kind, state, asked, attempt, generation, started_at, at, took_us, input, output, failure, undo, superseded
from journal where run = ?1 and (cast(?2 as bigint) is null or rank < ?2) order by rank desc limit ?3
