delete from step_renames where run in (select value from json_each(?))
