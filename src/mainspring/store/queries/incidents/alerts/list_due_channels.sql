select requested.value, coalesce(channels.failures, 0)
from json_each(?2) as requested
left join channels on channels.name = requested.value
left join sessions on sessions.id = channels.session
where exists (select 1 from alerts where alerts.state = {{unsent}} and alerts.channel = requested.value
              and (alerts.due_at <= ?1 or alerts.made_at > ?3))
  and (coalesce(channels.due_at, 0) <= ?1 or channels.due_at > ?4)
  and (channels.lease is null or channels.until_at <= ?1
       or (channels.session is not null and coalesce(sessions.state, '') not in ({{alive}}, {{draining}})))
order by requested.value
