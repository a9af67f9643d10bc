delete from error_groups where last_at < ?1
  and not exists (select 1 from faults where faults.automation = error_groups.automation and faults.fingerprint = error_groups.fingerprint)
