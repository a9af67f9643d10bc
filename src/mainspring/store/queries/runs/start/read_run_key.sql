select run, input_hash, state, expires_at, holder from run_keys where automation = ? and key = ?
