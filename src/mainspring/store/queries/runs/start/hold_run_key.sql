update run_keys set holder = ? where automation = ? and key = ?
