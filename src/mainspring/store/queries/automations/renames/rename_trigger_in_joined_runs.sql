update gathered set trigger = ?1 || substr(trigger, length(?2) + 1)
where trigger >= ?2 || '/' and trigger < ?2 || '0' and substr(trigger, length(?2) + 2) not like '%/%'
  and not exists (select 1 from gathered as other where other.per = gathered.per and other.automation = gathered.automation
                                                   and other.trigger = ?1 || substr(gathered.trigger, length(?2) + 1))
