-- The groups of claimable runs, at most ?3, with their number and since when the first is claimable; the number stops at ?2. Each with the
-- instant until which its automation is paused. The steps are those of list_ready_groups.
with recursive head(seq) as (
    select (select seq from runs where ready = 1 and probation = 0 order by queue, automation, version, tag limit 1)
    union all
    select coalesce(
        (select next.seq from runs as next where next.ready = 1 and next.probation = 0 and next.queue = here.queue and next.automation = here.automation
         and next.version = here.version and next.tag > here.tag order by next.tag limit 1),
        (select next.seq from runs as next where next.ready = 1 and next.probation = 0 and next.queue = here.queue and next.automation = here.automation
         and next.version > here.version order by next.version, next.tag limit 1),
        (select next.seq from runs as next where next.ready = 1 and next.probation = 0 and next.queue = here.queue and next.automation > here.automation
         order by next.automation, next.version, next.tag limit 1),
        (select next.seq from runs as next where next.ready = 1 and next.probation = 0 and next.queue > here.queue
         order by next.queue, next.automation, next.version, next.tag limit 1)
    )
    from head join runs as here on here.seq = head.seq
    where head.seq is not null
)
select runs.queue, runs.automation, runs.version, runs.tag,
       (select coalesce(paused_until, {{for_ever}}) from automations where name = runs.automation and paused_at is not null),
       (select count(*) from (
            select 1 from runs as each indexed by runs_ready where each.ready = 1 and each.probation = 0 and each.queue = runs.queue
            and each.automation = runs.automation and each.version = runs.version and each.tag = runs.tag limit ?2) as counted),
       (select min(since) from (
            select case when each.due_at is not null and each.due_at > each.changed_at and each.due_at <= ?1 then each.due_at else each.changed_at end as since
            from runs as each indexed by runs_ready where each.ready = 1 and each.probation = 0 and each.queue = runs.queue
            and each.automation = runs.automation and each.version = runs.version and each.tag = runs.tag limit ?2) as dated)
from (select seq from head where seq is not null limit ?3) as first join runs on runs.seq = first.seq
