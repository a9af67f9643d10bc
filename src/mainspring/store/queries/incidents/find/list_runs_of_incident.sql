-- Runs that are or were members of an incident, the newest failure first, and the named ones.
select {{columns.runs.run_row}}
from runs where id in (
    select value from json_each(?2)
    union select run from (select run from failures where incident = ?1 order by seq desc limit ?3) as newest)
order by seq desc limit ?3
