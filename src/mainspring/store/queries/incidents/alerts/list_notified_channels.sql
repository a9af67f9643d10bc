-- With the time until which what was to be told of the opening is put off; what was written ahead of now is not.
select channel, max(case when state = {{unsent}} and made_at <= ?3 then due_at else 0 end) from alerts
where incident = ?1 and opened = ?2 and state in ({{sent}}, {{unsent}})
group by channel order by channel
