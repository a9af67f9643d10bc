select channel, count(*), min(made_at), min(due_at) from alerts where state = {{unsent}} group by channel order by channel
