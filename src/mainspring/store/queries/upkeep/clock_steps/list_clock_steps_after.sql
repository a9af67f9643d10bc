select seq, by_ms from clock_steps where seq > ? order by seq
