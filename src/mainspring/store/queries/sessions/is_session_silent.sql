select 1 from sessions where id = ? and beat_at <= ?
