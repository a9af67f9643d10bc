select id, automation, kind, fingerprint, state, severity, text, hint, facts, since_at, opened_at, changed_at, seen_at, resolved_at, snoozed_until,
       opened, number, by, note, parent
from incidents
where (cast(?1 as text) is null or automation = ?1) and (?2 = 0 or state <> {{resolved}}) and changed_at >= ?3 and (?5 = 0 or parent is null)
order by changed_at desc, seq desc limit ?4
