update or ignore run_keys set automation = ?1 where automation = ?2
