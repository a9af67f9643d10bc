update topics set trigger = ?1 || substr(trigger, length(?2) + 1)
where trigger >= ?2 || '/' and trigger < ?2 || '0' and substr(trigger, length(?2) + 2) not like '%/%'
  and not exists (select 1 from topics as other where other.kind = topics.kind and other.name = topics.name
                                                 and other.trigger = ?1 || substr(topics.trigger, length(?2) + 1))
