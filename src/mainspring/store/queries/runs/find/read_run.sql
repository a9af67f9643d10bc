select seq, id, automation, kind, version, title, state, reason, queue, priority, tag, partition, ready, suspect, fresh, blocked, place, due_at,
       deadline_at, created_at, started_at, finished_at, changed_at, session, claim, crashes, deploy, generation, rank, codec, input, result,
       failure, failed_ident, waiting_for, detail, published, progress, tags, run_key, parent, parent_ident, schedule, slot_at, trigger,
       steps, output_size, undoing, clock_steps
from runs where id = ?
