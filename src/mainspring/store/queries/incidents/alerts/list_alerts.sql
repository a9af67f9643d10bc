select alerts.seq, alerts.incident, alerts.about, alerts.channel, alerts.state, alerts.made_at, alerts.due_at, alerts.ended_at, alerts.fault,
       coalesce(incidents.automation, ''), coalesce(incidents.text, '')
from alerts left join incidents on incidents.id = alerts.incident
where (cast(?1 as text) is null or alerts.incident = ?1) and (cast(?2 as text) is null or alerts.channel = ?2)
      and (cast(?3 as text) is null or alerts.state = ?3) and alerts.made_at >= ?4 and alerts.seq < ?6
order by alerts.seq desc limit ?5
