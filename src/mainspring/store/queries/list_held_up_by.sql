select gathered.trigger, gathered.per, gatherings.deadline_at from gathered join gatherings
    on gatherings.trigger = gathered.trigger and gatherings.per = gathered.per
where gathered.run = ? and gathered.counts = 0 and gatherings.run is null
