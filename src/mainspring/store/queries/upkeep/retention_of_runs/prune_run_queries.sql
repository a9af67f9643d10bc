delete from run_queries where run in (select value from json_each(?))
