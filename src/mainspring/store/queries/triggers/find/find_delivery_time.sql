select received_at from deliveries where seq <= ?1 order by seq desc limit 1
