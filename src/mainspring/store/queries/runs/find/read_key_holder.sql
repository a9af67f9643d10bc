select holder from run_keys where automation = ? and key = ? and holder is not null
