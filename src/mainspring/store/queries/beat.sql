update sessions set beat_at = ? where id = ?
