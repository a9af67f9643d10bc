select seq from events where keep_until <= ?1 and at < ?2 order by keep_until limit ?3
