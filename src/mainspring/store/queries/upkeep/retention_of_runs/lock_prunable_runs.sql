select id from runs where finished_at < ?2 and state = ?1
  and not exists (select 1 from runs as parent where parent.id = runs.parent and (parent.finished_at is null or parent.state = {{failed}}))
  and not exists (select 1 from failures where failures.run = runs.id and failures.settled_at is null)
order by finished_at limit ?3
