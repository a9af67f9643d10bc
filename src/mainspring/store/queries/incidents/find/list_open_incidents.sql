-- ?1: 1 = part of an unresolved incident, 0 = with its own notifications. Open ones come first, then by severity, then the oldest.
select id, automation, kind, fingerprint, state, severity, text, hint, facts, since_at, opened_at, changed_at, seen_at, resolved_at, snoozed_until,
       opened, number, by, note, parent
from incidents
where state <> {{resolved}}
  and case when exists (select 1 from incidents as above where above.id = incidents.parent and above.state <> {{resolved}}) then 1 else 0 end = ?1
order by case when state = {{incident.reopen}} then 0 else 1 end, case severity when 'page' then 0 when 'notify' then 1 else 2 end, since_at, seq
limit ?2
