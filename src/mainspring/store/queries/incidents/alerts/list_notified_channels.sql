-- With the time until which the opening's alerts are postponed; times written by a clock that was ahead do not postpone.
select channel, max(case when state = {{unsent}} and made_at <= ?3 then due_at else 0 end) from alerts
where incident = ?1 and opened = ?2 and state in ({{sent}}, {{unsent}})
group by channel order by channel
