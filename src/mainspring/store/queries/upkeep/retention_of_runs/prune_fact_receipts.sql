-- The receipts of a chain stay as long as one of its runs.
delete from consumed_facts where run in (select coalesce(chain, id) from runs where id in (select value from json_each(?1)))
  and not exists (select 1 from runs where runs.chain = consumed_facts.run and runs.id not in (select value from json_each(?1)))
