select created_at from runs where seq <= ?1 order by seq desc limit 1
