select slots.slot_at, slots.verdict, runs.started_at, runs.finished_at
from slots left join runs on runs.id = slots.run where slots.schedule = ? order by slots.slot_at desc limit ?
