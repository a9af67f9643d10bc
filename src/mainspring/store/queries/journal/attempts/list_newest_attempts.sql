select ident, name, generation, attempt, state, asked, started_at, ended_at, next_at, failure, null, undo, superseded,
       exists (select 1 from journal where journal.run = attempts.run and journal.ident = attempts.ident
                                       and journal.generation = attempts.generation and journal.state <> {{cancelled}})
from attempts where run = ?1 order by asked desc, generation desc, attempt desc limit ?2
