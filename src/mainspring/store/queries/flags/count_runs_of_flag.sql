-- Unfinished runs that hold this side: in their present generation, or because their body still has an earlier answer.
select count(distinct runs.id) from flag_answers join runs on runs.id = flag_answers.run
where {{condition.flag_held}}
