update run_keys set run = ?, state = ? where automation = ? and key = ?
