-- Each group, whether the session executes this version of its automation, until when its automation is paused, and the newest deployment of this
-- version that a live worker has. Steps from group to group: the next tag,
-- else version, else automation, else queue; each step is one index lookup.
with recursive head(seq) as (
    select (select seq from runs where ready = 1 and probation = :probation order by queue, automation, version, tag limit 1)
    union all
    select coalesce(
        (select next.seq from runs as next where next.ready = 1 and next.probation = :probation and next.queue = here.queue and next.automation = here.automation
         and next.version = here.version and next.tag > here.tag order by next.tag limit 1),
        (select next.seq from runs as next where next.ready = 1 and next.probation = :probation and next.queue = here.queue and next.automation = here.automation
         and next.version > here.version order by next.version, next.tag limit 1),
        (select next.seq from runs as next where next.ready = 1 and next.probation = :probation and next.queue = here.queue and next.automation > here.automation
         order by next.automation, next.version, next.tag limit 1),
        (select next.seq from runs as next where next.ready = 1 and next.probation = :probation and next.queue > here.queue
         order by next.queue, next.automation, next.version, next.tag limit 1)
    )
    from head join runs as here on here.seq = head.seq
    where head.seq is not null
)
select runs.queue, runs.automation, runs.version, runs.tag,
       (select 1 from session_automations where session = :session and automation = runs.automation and version = runs.version),
       (select coalesce(paused_until, {{for_ever}}) from automations where name = runs.automation and paused_at is not null),
       (select max(sessions.deploy) from session_automations join sessions on sessions.id = session_automations.session
        where session_automations.automation = runs.automation and session_automations.version = runs.version and sessions.state = {{alive}})
from head join runs on runs.seq = head.seq
