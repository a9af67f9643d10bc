update gathered set automation = ?1 where automation = ?2
  and not exists (select 1 from gathered as other where other.trigger = gathered.trigger and other.per = gathered.per and other.automation = ?1)
