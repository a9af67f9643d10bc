update consumers set trigger = ?1 || substr(trigger, length(?2) + 1)
where trigger >= ?2 || '/' and trigger < ?2 || '0' and substr(trigger, length(?2) + 2) not like '%/%'
  and not exists (select 1 from consumers as other where other.session = consumers.session and other.trigger = ?1 || substr(consumers.trigger, length(?2) + 1))
