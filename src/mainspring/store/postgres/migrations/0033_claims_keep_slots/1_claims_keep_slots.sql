-- A claim frees no slot: the run was ready in its slot, and runs in it. So a claim does not look for the next run of the key.
drop trigger runs_note_key on runs;
drop trigger runs_share_slots on runs;
create trigger runs_note_key after update of state, ready, blocked on runs for each row
when (new.concurrency_key is not null and not (new.state = 'running' and new.has_slot = 1 and old.has_slot = 1)) execute function runs_note_key();
create constraint trigger runs_share_slots after update of state, ready, blocked on runs deferrable initially deferred for each row
when (new.concurrency_key is not null and not (new.state = 'running' and new.has_slot = 1 and old.has_slot = 1)) execute function runs_share_slots();
