select {{columns.sessions.session_view}}
from sessions order by id desc limit ?
