select channels.name, channels.failures, channels.since_at, channels.fault, channels.due_at, channels.accepted_at,
       (select min(alerts.due_at) from alerts where alerts.state = {{unsent}} and alerts.channel = channels.name) as oldest_at
from channels order by channels.name
