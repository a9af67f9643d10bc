select id, state, severity, text, hint, facts, seen_at, resolved_at, snoozed_until, opened, number, parent, opened_at, kind from incidents where id = ?
