delete from run_forks where source in (select value from json_each(?))
