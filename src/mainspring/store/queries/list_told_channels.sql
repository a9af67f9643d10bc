-- With the time until which what was to be told of the opening is put off.
select channel, max(case when state = {{unsent}} then due_at else 0 end) from alerts
where incident = ? and opened = ? and state in ({{sent}}, {{unsent}})
group by channel order by channel
