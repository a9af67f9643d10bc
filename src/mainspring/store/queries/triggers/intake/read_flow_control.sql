select counted_at, started_at, starts, since_at from flow_control where trigger = ? and by_key = ?
