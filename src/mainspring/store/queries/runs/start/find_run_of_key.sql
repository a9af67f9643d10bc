select run from run_keys where automation = ? and key = ?
