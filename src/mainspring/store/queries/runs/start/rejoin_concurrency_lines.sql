-- The first run of each line joins it again, so that the trigger runs_share_slots compares the limit of now with the slots in use. Each line
-- is found by one index lookup.
with recursive lines(seq) as (
    select (select seq from runs where blocked = 'concurrency' order by automation, concurrency_key, fresh, priority desc, seq limit 1)
    union all
    select coalesce(
        (select next.seq from runs as next
         where next.blocked = 'concurrency' and next.automation = here.automation and next.concurrency_key > here.concurrency_key
         order by next.concurrency_key, next.fresh, next.priority desc, next.seq limit 1),
        (select next.seq from runs as next where next.blocked = 'concurrency' and next.automation > here.automation
         order by next.automation, next.concurrency_key, next.fresh, next.priority desc, next.seq limit 1)
    )
    from lines join runs as here on here.seq = lines.seq
    where lines.seq is not null
)
update runs set blocked = 'concurrency' where seq in (select seq from lines where seq is not null limit 10000) and blocked = 'concurrency'
