-- Runs that are or were members of an incident, the newest failure first, and the named ones.
select seq, id, automation, kind, title, state, reason, queue, due_at, created_at, started_at, finished_at, steps, progress, trigger
from runs where id in (
    select value from json_each(?2)
    union select run from (select run from failures where incident = ?1 order by seq desc limit ?3) as newest)
order by seq desc limit ?3
