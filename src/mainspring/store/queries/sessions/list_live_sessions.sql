select {{columns.sessions.session_view}}
from sessions indexed by sessions_alive where state in ({{alive}}, {{draining}}) order by id desc limit ?
