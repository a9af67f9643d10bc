-- Partitions in which a run has waited for the holder since ?1 or longer, at most ?2: the first waiting run, how many wait (up to a
-- thousand), and the run that holds the partition without running. Each partition is found by one index lookup.
with recursive lines(seq) as (
    select (select seq from runs where blocked = 'partition' order by queue, partition, place, seq limit 1)
    union all
    select coalesce(
        (select next.seq from runs as next where next.blocked = 'partition' and next.queue = here.queue and next.partition > here.partition
         order by next.partition, next.place, next.seq limit 1),
        (select next.seq from runs as next where next.blocked = 'partition' and next.queue > here.queue
         order by next.queue, next.partition, next.place, next.seq limit 1)
    )
    from lines join runs as here on here.seq = lines.seq
    where lines.seq is not null
)
select waits.automation, waits.queue, waits.partition, waits.id, waits.changed_at,
       (select count(*) from (select 1 from runs as each where each.blocked = 'partition' and each.queue = waits.queue
        and each.partition = waits.partition limit 1000) as counted),
       holder.id, holder.automation, holder.state, partition_holds.held_at
from (select seq from lines where seq is not null limit ?2) as line
join runs as waits on waits.seq = line.seq
join partition_holds on partition_holds.queue = waits.queue and partition_holds.partition = waits.partition
join runs as holder on holder.id = partition_holds.run
where waits.changed_at <= ?1 and partition_holds.held_at <= ?1 and holder.state in ({{waiting}}, {{retrying}}, {{paused}}, {{needs_attention}})
