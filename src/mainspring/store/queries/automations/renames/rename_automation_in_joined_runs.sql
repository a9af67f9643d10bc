update joined_runs set automation = ?1 where automation = ?2
  and not exists (select 1 from joined_runs as other where other.trigger = joined_runs.trigger and other.per = joined_runs.per and other.automation = ?1)
