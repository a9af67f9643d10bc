insert into runs (id, automation, kind, version, title, state, queue, priority, tag, partition, ready, fresh, blocked, place, due_at,
                  deadline_at, created_at, started_at, changed_at, session, claim, codec, input, tags, run_key, parent, parent_ident,
                  parent_asked, close_policy, schedule, slot_at, trigger, healthy, item)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
