select seq, id, trigger, key, state, note, name, verified, run, due_at, replay_of, received_at, changed_at, body, data, headers, source, by_key,
       redelivered
from deliveries where id = ?
