select channel, count(*), min(due_at) from alerts where state = {{unsent}} group by channel order by channel
