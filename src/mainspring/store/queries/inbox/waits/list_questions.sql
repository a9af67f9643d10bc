select {{columns.waits.wait_view}} from waits
where kind = 'ask' and filled = 0
      and (cast(?1 as text) is null
           or exists (select 1 from runs where runs.id = waits.run and runs.automation in (select value from json_each(?1))))
order by opened_at limit ?2
