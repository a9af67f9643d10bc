select runs.automation, waits.schema, sessions.id is not null
from waits join runs on runs.id = waits.run left join sessions on sessions.id = waits.session and sessions.state in ({{alive}}, {{draining}})
where waits.run = ? and waits.ident = ?
