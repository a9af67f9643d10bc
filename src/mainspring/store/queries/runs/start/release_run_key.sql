update run_keys set holder = null where automation = ? and key = ? and holder = ?
