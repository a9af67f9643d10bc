delete from facts_taken where run in (select value from json_each(?))
