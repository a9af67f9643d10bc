select id, state, severity, text, hint, facts, seen_at, resolved_at, snoozed_until, opened, number, parent, opened_at, kind
from incidents where parent = ?1 and state <> {{resolved}} and exists (select 1 from failures where failures.incident = incidents.id)
