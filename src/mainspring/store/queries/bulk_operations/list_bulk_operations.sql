select seq, id, verb, state, which, automations, rate, actor, reason, total, done, refused, reached, made_at, changed_at, ended_at, due_at
from bulk_acts where seq < ? order by seq desc limit ?
