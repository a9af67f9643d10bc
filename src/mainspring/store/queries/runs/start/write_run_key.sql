insert into run_keys (automation, key, run, input_hash, state, expires_at, holder) values (?, ?, ?, ?, ?, ?, ?)
on conflict (automation, key) do update set run = excluded.run, input_hash = excluded.input_hash, state = excluded.state,
                                            expires_at = excluded.expires_at, holder = excluded.holder
