select automation, metric, sum(n) from rollup_details indexed by rollup_details_minute where minute_at >= ? group by automation, metric
