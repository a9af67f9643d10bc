with over as (
    delete from queue_backlogs
    where session > 0 and not exists (select 1 from sessions where sessions.id = queue_backlogs.session and state in ({{alive}}, {{draining}}))
    returning queue, n
), summed as (
    insert into queue_backlogs (queue, session, n) select queue, 0, sum(n) from over group by queue order by queue
    on conflict (queue, session) do update set n = queue_backlogs.n + excluded.n
)
delete from sessions
where ended_at < ?1 and state in ({{closed}}, {{dead}}) and not exists (select 1 from runs where runs.session = sessions.id)
