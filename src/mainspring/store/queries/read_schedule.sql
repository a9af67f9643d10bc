select spec, retired_at from schedules where name = ?
