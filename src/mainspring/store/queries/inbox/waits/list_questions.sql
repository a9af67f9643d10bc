select {{columns.waits.wait_view}} from waits
where kind = 'ask' and filled = 0 and opened_at >= ?5
      and (cast(?1 as text) is null
           or exists (select 1 from runs where runs.id = waits.run and runs.automation in (select value from json_each(?1))))
      and (cast(?3 as text) is null or case when escalate_ms is not null and opened_at + escalate_ms <= ?4 then escalate_to else assignee end = ?3)
order by opened_at limit ?2
