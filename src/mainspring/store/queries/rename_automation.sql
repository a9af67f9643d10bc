update or ignore automations set name = ?1 where name = ?2
