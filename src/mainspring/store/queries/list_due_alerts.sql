select alerts.seq, alerts.key, alerts.incident, alerts.opened, alerts.about, alerts.severity, alerts.made_at, channel_refs.ref
from alerts left join channel_refs
  on channel_refs.incident = alerts.incident and channel_refs.opened = alerts.opened and channel_refs.channel = alerts.channel
where alerts.state = {{unsent}} and alerts.channel = ?1 and alerts.due_at <= ?2
order by alerts.due_at, alerts.seq limit ?3
