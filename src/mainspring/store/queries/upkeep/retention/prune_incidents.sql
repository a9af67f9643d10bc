delete from incidents where state = {{resolved}} and changed_at < ?1
