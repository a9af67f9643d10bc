insert into effects {{insert.effects.new_effect}}
on conflict (key) do update set
    id = excluded.id, state = excluded.state, intent = excluded.intent, repeats = excluded.repeats, started_at = excluded.started_at,
    settled_at = excluded.settled_at, within_ms = excluded.within_ms, recovery = excluded.recovery, identity_hash = excluded.identity_hash, identity = excluded.identity,
    result = excluded.result, refused = excluded.refused, note = excluded.note, decided_by = excluded.decided_by,
    owner = excluded.owner, call_id = excluded.call_id, automation = excluded.automation, session = excluded.session,
    run = excluded.run, ident = excluded.ident, step_key = excluded.step_key, attempt = excluded.attempt,
    disputed = excluded.disputed
