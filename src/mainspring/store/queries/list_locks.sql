select locks.name, locks.owner, locks.session, locks.token, locks.taken_at, locks.note, coalesce(sessions.state in ({{alive}}, {{draining}}), 0)
from locks left join sessions on sessions.id = locks.session order by locks.name
