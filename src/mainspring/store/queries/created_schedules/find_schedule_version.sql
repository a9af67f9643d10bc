select version from schedules where name = ?
