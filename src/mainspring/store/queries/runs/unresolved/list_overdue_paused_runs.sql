-- Runs that would end now by their deadline, if their automation (?2 = JSON list of names) or queue (?3) were not paused: how many of each
-- automation and queue, and the first. It reads no more than ?4 of them.
select automation, queue, count(*), min(id) from (
    select id, automation, queue from runs indexed by runs_unfinished
    where automation in (select value from json_each(?2)) and finished_at is null and state in {{idle}} and deadline_at <= ?1
      and (ready = 1 or due_at <= ?1)
    union
    select id, automation, queue from runs indexed by runs_ready
    where ready = 1 and probation in (0, 1) and queue in (select value from json_each(?3)) and deadline_at <= ?1
    union
    select id, automation, queue from runs indexed by runs_due
    where ready = 0 and due_at is not null and blocked is null and due_at <= ?1 and queue in (select value from json_each(?3))
      and deadline_at <= ?1
    limit ?4
) as overdue
group by automation, queue order by automation, queue
