select seq, id, automation, kind, version, claim, fresh, rank, generation, started_at, created_at, deadline_at, codec, input, queue,
       priority, tag, run_key, parent, parent_ident, schedule, slot_at, crashes, title, undoing, hash_seed, clock_steps, losses
from runs where session = ? and claimed_by_command = ?
