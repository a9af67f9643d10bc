delete from rollup_details where minute_at > 0 and minute_at < ?
