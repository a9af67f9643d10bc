-- A created schedule stays while its automation is retired: it can be shown, changed and deleted.
select automation from schedules where name = ? and (retired_at is null or (options is not null and deleted_at is null))
