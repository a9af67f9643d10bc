update run_keys set state = ? where automation = ? and key = ? and run = ?
