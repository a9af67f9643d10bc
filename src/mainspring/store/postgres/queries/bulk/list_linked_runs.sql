-- Runs whose end another run or a caller would see: a parent, child or watcher, the next of its partition, or the caller of an update; those that retry; and those with a failed child, which may
-- need a person. Each subquery has a limit, so that it runs for each run separately, by an index; as parts of one condition they would read
-- all unfinished runs.
select requested.run
from (select * from unnest(cast(?1 as text[])) limit cardinality(cast(?1 as text[]))) as requested(run)
cross join lateral (
    select 1
    from (select partition, parent from runs where runs.id = requested.run limit 1) as own
    where own.partition is not null or own.parent is not null
    union all
    select 1 from (select 1 from runs as child where child.parent = requested.run and (coalesce(child.finished_at, 0) = 0 or child.state = {{failed}}) limit 1) as children
    union all
    select 1 from (select 1 from waits where waits.kind = 'run' and waits.filled = 0 and waits.name = requested.run limit 1) as watchers
    union all
    select 1 from (select 1 from partition_holds where partition_holds.run = requested.run limit 1) as held
    union all
    select 1 from (select 1 from run_updates where run_updates.run = requested.run and run_updates.replied_at is null limit 1) as open_updates
    union all
    select 1 from (select 1 from run_retries where run_retries.run = requested.run limit 1) as retried
    limit 1
) as tied
