-- The newest change first, behind the position (?2, ?3) in that order. ?5 to ?7 are lists as JSON, null = any.
select id, automation, kind, fingerprint, state, severity, text, hint, facts, since_at, opened_at, changed_at, seen_at, resolved_at, snoozed_until,
       opened, number, by, note, parent
from incidents
where changed_at >= ?1 and changed_at <= ?2 and (changed_at < ?2 or id < ?3)
  and (cast(?4 as text) is null or automation = ?4)
  and (cast(?5 as text) is null or state in (select value from json_each(?5)))
  and (cast(?6 as text) is null or severity in (select value from json_each(?6)))
  and (cast(?7 as text) is null or kind in (select value from json_each(?7)))
  and (?8 = 0 or parent is null)
order by changed_at desc, id desc limit ?9
