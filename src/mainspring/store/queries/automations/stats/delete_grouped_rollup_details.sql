delete from rollup_details where session > 0 and minute_at < ?
