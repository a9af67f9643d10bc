insert into worker_losses (run, claim, session, role, hostname, pid, seen_at, found_at, noticed, finder_role, finder_hostname, finder_pid,
                           ending)
select runs.id, runs.claim, dead.id, dead.role, dead.hostname, dead.pid, dead.beat_at, cast(:now as bigint), cast(:noticed as text),
       finder.role, finder.hostname, finder.pid, cast(:ending as text)
from runs join sessions as dead on dead.id = runs.session left join sessions as finder on finder.id = :finder
where runs.session = :session and runs.state in {{sources.lose}}
on conflict do nothing
