select ident, name, generation, attempt, state, asked, started_at, ended_at, next_at, failure, input, undo
from attempts where run = ?1 and ident = ?2 order by generation desc, attempt desc limit ?3
