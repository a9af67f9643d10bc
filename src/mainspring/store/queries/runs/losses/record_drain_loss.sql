-- A run whose worker drains without a request: that worker still owns it, or released it while it drained. Another worker may have
-- continued it since.
insert into worker_losses (run, claim, session, role, hostname, pid, seen_at, found_at, noticed, ending,
                           resumed_claim, resumed_session, resumed_role, resumed_hostname, resumed_pid, resumed_at)
select lost.id, lost.lost_claim, drained.id, drained.role, drained.hostname, drained.pid, cast(:now as bigint), cast(:now as bigint),
       cast(:noticed as text), cast(:ending as text),
       case when lost.claim > lost.lost_claim then lost.claim end, successor.id, successor.role, successor.hostname, successor.pid,
       case when lost.claim > lost.lost_claim then lost.changed_at end
from (select id, claim, session, changed_at, case when session = :session then claim else cast(:claim as bigint) end as lost_claim
      from runs where id = :run) as lost
join sessions as drained on drained.id = :session
left join sessions as successor on successor.id = lost.session and successor.id <> drained.id
where true
on conflict do nothing
