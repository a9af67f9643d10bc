select seq from events where keep_until <= ?1 and at < ?2
  and not exists (select 1 from deliveries where deliveries.source = events.id and deliveries.state in {{undecided}})
order by keep_until limit ?3
