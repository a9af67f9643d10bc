select automation from schedules where name = ? and retired_at is null
