select id, automation, kind, fingerprint, state, severity, text, hint, facts, since_at, opened_at, changed_at, seen_at, resolved_at, snoozed_until,
       opened, number, by, note, parent
from incidents where parent = ?1 order by changed_at desc limit ?2
