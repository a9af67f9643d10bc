select run, input_hash, state from run_keys where automation = ? and key = ? and (expires_at is null or expires_at > ?)
