insert into deliveries (id, trigger, key, state, note, filtered, name, body_hash, body, data, headers, source, by_key, verified, run, due_at, replay_of,
                        redelivered, variant, received_at, changed_at)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?20) on conflict do nothing
