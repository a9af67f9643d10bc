update failures set automation = ?1 where automation = ?2
