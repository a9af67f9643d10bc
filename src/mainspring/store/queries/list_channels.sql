select channels.name, channels.failures, channels.since_at, channels.fault, channels.due_at, channels.told_at,
       (select min(alerts.made_at) from alerts where alerts.state = {{unsent}} and alerts.channel = channels.name)
from channels order by channels.name
