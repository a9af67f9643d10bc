flag_answers.flag = ? and flag_answers.side = ? and runs.finished_at is null
and (flag_answers.generation = runs.generation
     or exists (select 1 from journal where journal.run = flag_answers.run and journal.kind = 'flag' and journal.name = flag_answers.flag
                and journal.superseded is null))
