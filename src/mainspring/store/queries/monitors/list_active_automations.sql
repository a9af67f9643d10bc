select distinct automation from rollups indexed by rollups_minute where minute_at >= ?
