with recursive head(seq) as (
    select (select seq from runs where ready = 1 and suspect = :suspect order by queue, automation, version, tag limit 1)
    union all
    select (
        select next.seq from runs as next
        where next.ready = 1 and next.suspect = :suspect
          and (next.queue, next.automation, next.version, next.tag) > (runs.queue, runs.automation, runs.version, runs.tag)
        order by next.queue, next.automation, next.version, next.tag limit 1
    )
    from head join runs on runs.seq = head.seq
    where head.seq is not null
)
select runs.queue, runs.automation, runs.version, runs.tag from head join runs on runs.seq = head.seq
