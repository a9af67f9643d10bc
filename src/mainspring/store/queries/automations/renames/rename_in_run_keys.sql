update run_keys set automation = ?1
where automation = ?2 and not exists (select 1 from run_keys as other where other.automation = ?1 and other.key = run_keys.key)
