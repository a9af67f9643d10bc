-- Those that are not deleted; ?1 = an automation, null = of all.
select {{columns.schedules.created_schedule}} from schedules
where options is not null and deleted_at is null and (cast(?1 as text) is null or automation = ?1) order by name
