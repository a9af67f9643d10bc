update gatherings set run = ?1, changed_at = ?2,
    here = (select count(*) from gathered join topics on topics.kind = 'run' and topics.name = gathered.automation and topics.trigger = gathered.trigger
            where gathered.trigger = gatherings.trigger and gathered.per = gatherings.per and gathered.counts = 1)
where trigger = ?3 and per = ?4
