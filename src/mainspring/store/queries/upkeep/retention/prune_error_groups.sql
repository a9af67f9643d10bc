delete from error_groups where last_at < ?1
  and not exists (select 1 from failures where failures.automation = error_groups.automation and failures.fingerprint = error_groups.fingerprint)
