select ident, name, generation, attempt, state, asked, started_at, ended_at, next_at, failure, null, undo
from attempts where run = ?1 order by asked desc, generation desc, attempt desc limit ?2
