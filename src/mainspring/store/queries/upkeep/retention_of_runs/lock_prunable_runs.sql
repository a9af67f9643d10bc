select id from runs where finished_at < ?2 and state = ?1
  and not exists (select 1 from runs as parent where parent.id = runs.parent and parent.finished_at is null)
  and not exists (select 1 from faults where faults.run = runs.id and faults.settled_at is null)
order by finished_at limit ?3
