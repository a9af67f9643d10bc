delete from rollups where minute_at > 0 and minute_at < ?
