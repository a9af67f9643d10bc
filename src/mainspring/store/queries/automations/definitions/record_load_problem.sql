-- A worker without the code of an automation does not know that a created schedule has the name of the declared one: that problem stays.
insert into automations (name, kind, version, definition, fingerprint, deploy, problem, announced_at) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
on conflict (name) do update set announced_at = excluded.announced_at, problem = coalesce(excluded.problem, (
    select automations.problem from schedules
    where schedules.name = automations.name and schedules.options is not null and schedules.deleted_at is null
))
