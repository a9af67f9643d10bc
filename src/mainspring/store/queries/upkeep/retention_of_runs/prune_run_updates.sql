delete from run_updates where run in (select value from json_each(?))
