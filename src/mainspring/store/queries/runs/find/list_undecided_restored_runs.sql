select id from runs indexed by runs_unfinished
where finished_at is null and created_at <= ? and not exists (select 1 from meta where key = ? || runs.id)
limit ?
