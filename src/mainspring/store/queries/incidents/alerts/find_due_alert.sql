select 1 from alerts left join channels on channels.name = alerts.channel
where alerts.state = {{unsent}} and (alerts.due_at <= ?1 or alerts.made_at > ?2)
  and (coalesce(channels.due_at, 0) <= ?1 or channels.due_at > ?3) limit 1
