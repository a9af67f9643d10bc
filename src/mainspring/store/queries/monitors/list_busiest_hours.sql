select automation, max(started), min(hour_at) from (
    select rollups.automation as automation, rollups.minute_at - rollups.minute_at % 3600000 as hour_at, sum(rollups.started) as started
    from json_each(?1) as requested join rollups on rollups.automation = requested.value
    where rollups.minute_at >= ?2 and rollups.minute_at < ?3
    group by rollups.automation, hour_at) as hours
group by automation
