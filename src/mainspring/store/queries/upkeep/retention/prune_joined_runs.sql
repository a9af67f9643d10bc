delete from gathered where exists (select 1 from gatherings where gatherings.trigger = gathered.trigger and gatherings.per = gathered.per
                                   and gatherings.changed_at < ?1 and gatherings.deadline_at < ?1)
