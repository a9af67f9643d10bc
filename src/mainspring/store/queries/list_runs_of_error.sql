-- Runs that failed by one error, and those that are named beside them.
select seq, id, automation, kind, title, state, reason, queue, due_at, created_at, started_at, finished_at, steps, progress, trigger
from runs where id in (
    select value from json_each(?3)
    union select run from (select run from faults where automation = ?1 and fingerprint = ?2 order by seq desc limit ?4) as newest)
order by seq desc limit ?4
