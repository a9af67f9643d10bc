select {{columns.schedules.created_schedule}} from schedules where name = ? and options is not null
