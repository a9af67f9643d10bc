select 1 from runs join run_keys on run_keys.automation = runs.automation and run_keys.key = runs.run_key and run_keys.run = runs.id
where runs.id = ? and run_keys.holder is not null
