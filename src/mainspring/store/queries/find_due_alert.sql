select 1 from alerts left join channels on channels.name = alerts.channel
where alerts.state = {{unsent}} and alerts.due_at <= ?1 and coalesce(channels.due_at, 0) <= ?1 limit 1
