-- Runs whose end another run would see: one above, below or beside it, or the next of its partition.
select id from runs
where id = any(cast(?1 as text[]))
  and (partition is not null or parent is not null
       or exists (select 1 from runs as child where child.parent = runs.id and child.finished_at is null)
       or exists (select 1 from waits where waits.kind = 'run' and waits.filled = 0 and waits.name = runs.id)
       or exists (select 1 from holds where holds.run = runs.id))
