update joined_runs set trigger = ?1 || substr(trigger, length(?2) + 1)
where trigger >= ?2 || '/' and trigger < ?2 || '0' and substr(trigger, length(?2) + 2) not like '%/%'
  and not exists (select 1 from joined_runs as other where other.per = joined_runs.per and other.automation = joined_runs.automation
                                                   and other.trigger = ?1 || substr(joined_runs.trigger, length(?2) + 1))
