-- Unfinished runs that hold this side: in their present generation, or because their body still has an earlier answer.
select distinct runs.id, runs.automation from flag_answers join runs on runs.id = flag_answers.run
where {{condition.flag_held}}
order by runs.id limit ?
