select 1 from consumed_facts where run = (select coalesce(chain, id) from runs where id = ?1) and kind = ?2 and source = ?3
