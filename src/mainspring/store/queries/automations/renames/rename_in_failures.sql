update faults set automation = ?1 where automation = ?2
