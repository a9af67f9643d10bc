delete from topics where trigger in (select name from triggers where automation = ?)
