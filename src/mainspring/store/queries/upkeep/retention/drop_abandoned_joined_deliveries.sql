update deliveries set state = {{dropped}}, note = ?1, changed_at = ?2
where state = {{held}} and id in (
    select gathered.delivery from gathered join gatherings on gatherings.trigger = gathered.trigger and gatherings.per = gathered.per
    where gatherings.run is null and gatherings.changed_at < ?3 and gatherings.deadline_at < ?3)
