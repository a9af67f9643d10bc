-- A bounded number of those that are sent one by one, and all of the severity ?5, which are one digest.
select alerts.seq, alerts.key, alerts.about, alerts.opened, alerts.made_at, alerts.tried, channel_refs.ref,
       exists (select 1 from alerts as earlier where earlier.incident = alerts.incident and earlier.opened = alerts.opened
               and earlier.channel = alerts.channel and earlier.state = {{sent}}),
       (select min(word.made_at) from alerts as word where word.incident = alerts.incident and word.opened = alerts.opened
        and word.channel = alerts.channel),
       i.id, i.automation, i.kind, i.fingerprint, i.state, i.severity, i.text, i.hint, i.facts, i.since_at, i.opened_at, i.changed_at, i.seen_at,
       i.resolved_at, i.snoozed_until, i.opened, i.number, i.by, i.note, i.parent
from alerts
left join incidents as i on i.id = alerts.incident
left join channel_refs
  on channel_refs.incident = alerts.incident and channel_refs.opened = alerts.opened and channel_refs.channel = alerts.channel
where alerts.state = {{unsent}} and alerts.channel = ?1 and (alerts.due_at <= ?2 or alerts.made_at > ?4) and (i.id is not null or alerts.incident = '')
  and (alerts.severity = ?5 or alerts.seq in (
      select unsent.seq from alerts as unsent
      where unsent.state = {{unsent}} and unsent.channel = ?1 and (unsent.due_at <= ?2 or unsent.made_at > ?4) and unsent.severity <> ?5
      order by unsent.seq limit ?3))
order by case when alerts.severity = ?5 then 1 else 0 end, alerts.seq limit ?6
