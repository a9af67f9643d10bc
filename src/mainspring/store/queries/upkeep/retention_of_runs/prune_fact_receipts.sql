-- What a chain was given stays as long as a run of it.
delete from facts_taken where run in (select coalesce(chain, id) from runs where id in (select value from json_each(?1)))
  and not exists (select 1 from runs where runs.chain = facts_taken.run and runs.id not in (select value from json_each(?1)))
