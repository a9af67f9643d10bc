-- As list_incidents_page, of those that are not resolved: few, whatever their number in all.
select id, automation, kind, fingerprint, state, severity, text, hint, facts, since_at, opened_at, changed_at, seen_at, resolved_at, snoozed_until,
       opened, number, by, note, parent
from incidents indexed by incidents_wrong
where state <> {{resolved}} and changed_at >= ?1 and changed_at <= ?6 and (changed_at < ?6 or id < ?7) and (?4 = 0 or parent is null)
      and (cast(?2 as text) is null or state in (select value from json_each(?2)))
      and (cast(?3 as text) is null or kind in (select value from json_each(?3)))
      and (cast(?5 as text) is null or automation in (select value from json_each(?5)))
order by changed_at desc, id desc limit ?8
