select runs.automation, waits.run, waits.opened_at, waits.until_at, waits.ident, waits.assignee, waits.remind_ms, waits.escalate_ms, waits.escalate_to
from waits join runs on runs.id = waits.run
where waits.kind = 'ask' and waits.filled = 0 and runs.finished_at is null order by waits.opened_at limit ?
