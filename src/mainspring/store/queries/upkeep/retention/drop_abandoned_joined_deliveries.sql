update deliveries set state = {{dropped}}, note = ?1, changed_at = ?2
where state = {{held}} and id in (
    select joined_runs.delivery from joined_runs join gatherings on gatherings.trigger = joined_runs.trigger and gatherings.per = joined_runs.per
    where gatherings.run is null and gatherings.changed_at < ?3 and gatherings.deadline_at < ?3)
