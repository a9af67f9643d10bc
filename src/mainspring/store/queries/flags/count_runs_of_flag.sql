-- Unfinished runs that hold this side in their present generation.
select count(distinct runs.id) from flag_answers
join runs on runs.id = flag_answers.run and runs.generation = flag_answers.generation
where flag_answers.flag = ? and flag_answers.side = ? and runs.finished_at is null
