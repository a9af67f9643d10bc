delete from run_tags where run in (select value from json_each(?))
