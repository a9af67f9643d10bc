select metric, sum(n) from rollup_details where automation = ?1 and minute_at >= ?2 and minute_at < ?3 group by metric
