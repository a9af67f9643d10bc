delete from joined_runs where exists (select 1 from gatherings where gatherings.trigger = joined_runs.trigger and gatherings.per = joined_runs.per
                                   and gatherings.changed_at < ?1 and gatherings.deadline_at < ?1)
