delete from start_requests where expires_at <= ?
