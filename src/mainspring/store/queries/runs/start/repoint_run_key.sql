-- The run that continues another one gets its key; another input keeps the hash of the first one.
update run_keys set run = :run, state = :state where automation = :automation and key = :key and run = :old
