select id, trigger, key, name, received_at from deliveries where run = ? order by seq limit ?
