select seq, at, by_ms, since_at, until_at, stage, reached, last from clock_steps where ended_at is null order by seq limit 1
