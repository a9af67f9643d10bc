select 1 from schedules where name = ? and options is not null and deleted_at is null
