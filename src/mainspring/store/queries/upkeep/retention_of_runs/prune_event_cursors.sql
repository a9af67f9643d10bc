delete from event_cursors where chain in (select coalesce(chain, id) from runs where id in (select value from json_each(?1)))
  and not exists (select 1 from runs where runs.chain = event_cursors.chain and runs.id not in (select value from json_each(?1)))
