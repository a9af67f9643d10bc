update error_groups set automation = ?1
where automation = ?2 and not exists (select 1 from error_groups as other where other.automation = ?1 and other.fingerprint = error_groups.fingerprint)
