delete from rollups where minute_at < ?
