-- As list_monitored_schedules, for some automations.
select schedules.name, schedules.automation, schedules.spec, schedules.low_water_at, schedules.spec_at, schedules.next_slot_at,
    runs.slot_at as unbegun_at, runs.id as unbegun_run, schedules.options,
    (select max(ended_at) from schedule_pauses where schedule_pauses.schedule = schedules.name) as resumed_at
from schedules
left join runs on runs.seq = (
    select unbegun.seq from runs as unbegun
    where unbegun.schedule = schedules.name and unbegun.started_at is null and unbegun.finished_at is null and unbegun.trigger not like {{backfills}}
    order by unbegun.slot_at limit 1)
where schedules.retired_at is null and schedules.paused_at is null and schedules.automation in (select requested.value from json_each(?1) as requested)
