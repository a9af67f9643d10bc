select seq from deliveries where seq < ? order by seq desc limit 1 offset ?
