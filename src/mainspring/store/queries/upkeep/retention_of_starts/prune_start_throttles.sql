delete from start_throttles where expires_at <= ?
