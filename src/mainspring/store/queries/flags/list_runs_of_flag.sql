-- Unfinished runs that hold this side: in their present generation, or because their body still has an earlier answer.
select runs.id, runs.automation from runs indexed by runs_unfinished
where finished_at is null and exists (select 1 from flag_answers where flag_answers.run = runs.id and {{condition.flag_held}})
order by runs.id limit ?
