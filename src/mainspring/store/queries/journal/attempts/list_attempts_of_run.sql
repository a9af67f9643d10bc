select ident, name, generation, attempt, state, asked, started_at, ended_at, next_at, failure, input, undo, superseded
from attempts where run = ? order by asked, generation, attempt
