select name from triggers order by name
