select channel, count(*) as number, min(due_at) as due_at from alerts where state = {{unsent}} group by channel order by channel
