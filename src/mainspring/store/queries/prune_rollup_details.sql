delete from rollup_details where minute_at < ?
