select rank, requested_after from journal where run = ?1 and superseded is null order by rank limit ?2
