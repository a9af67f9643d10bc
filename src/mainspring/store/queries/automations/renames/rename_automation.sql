update automations set name = ?1 where name = ?2 and not exists (select 1 from automations where name = ?1)
