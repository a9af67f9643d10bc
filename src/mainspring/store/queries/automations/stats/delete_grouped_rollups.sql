delete from rollups where session > 0 and minute_at < ?
