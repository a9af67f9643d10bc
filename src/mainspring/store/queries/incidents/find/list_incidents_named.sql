select id, automation, kind, fingerprint, state, severity, text, hint, facts, since_at, opened_at, changed_at, seen_at, resolved_at, snoozed_until,
       opened, number, by, note, parent
from incidents where id in (select value from json_each(?1)) order by since_at, seq
