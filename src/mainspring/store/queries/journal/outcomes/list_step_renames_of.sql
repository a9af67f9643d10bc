select run, old_name, new_name from step_renames where run in (select value from json_each(?))
