update topics set name = ?1 where kind = 'run' and name = ?2
  and not exists (select 1 from topics as other where other.kind = 'run' and other.name = ?1 and other.trigger = topics.trigger)
