select counted_at, started_at, starts, since_at from paces where trigger = ? and by_key = ?
