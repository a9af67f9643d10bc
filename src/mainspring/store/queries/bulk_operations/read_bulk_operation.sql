select seq, id, verb, state, selection, automations, rate, actor, reason, total, done, refused, reached, made_at, changed_at, ended_at, due_at
from bulk_operations where id = ?
