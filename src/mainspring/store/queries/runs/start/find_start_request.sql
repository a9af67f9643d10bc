select run, input_hash from start_requests where automation = ? and request = ? and expires_at > ?
