-- As a run that a worker released: its next claim reads the journal.
update runs set fork = :origin, item = :item,
                fresh = case when cast(:rank as bigint) > 0 then 0 else fresh end, claim = case when cast(:rank as bigint) > 0 then 1 else claim end,
                rank = :rank, steps = :rank
where id = :run
