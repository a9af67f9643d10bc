update gatherings set
    here = (select count(*) from gathered join topics on topics.kind = 'run' and topics.name = gathered.automation and topics.trigger = gathered.trigger
            where gathered.trigger = gatherings.trigger and gathered.per = gatherings.per and gathered.counts = 1)
where trigger = ?1 and run is null
