-- A slot whose run was deleted is omitted.
select slots.slot_at, slots.verdict, runs.started_at, runs.finished_at
from slots left join runs on runs.id = slots.run
where slots.schedule = ? and (slots.run is null or runs.id is not null) order by slots.slot_at desc limit ?
