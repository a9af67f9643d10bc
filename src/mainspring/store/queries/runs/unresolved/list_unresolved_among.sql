select seq, id, automation, kind, title, state, reason, queue, due_at, created_at, started_at, finished_at, steps, progress, trigger
from runs where id in (select value from json_each(?)) and state in {{reopenable}}
