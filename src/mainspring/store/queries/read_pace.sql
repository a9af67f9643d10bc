select counted_at, started_at, starts from paces where trigger = ? and by_key = ?
