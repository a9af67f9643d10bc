update gatherings set
    here = (select count(*) from joined_runs join topics on topics.kind = 'run' and topics.name = joined_runs.automation and topics.trigger = joined_runs.trigger
            where joined_runs.trigger = gatherings.trigger and joined_runs.per = gatherings.per and joined_runs.counts = 1)
where trigger = ?1 and run is null
