select id, automation, state, reason, slot_at, run_key, result, finished_at, headers from runs where id in (select value from json_each(?))
