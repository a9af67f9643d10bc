update runs set fork = :origin, item = :item, rank = :rank, steps = :rank where id = :run
