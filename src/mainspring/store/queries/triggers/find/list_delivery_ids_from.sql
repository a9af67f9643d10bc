select id from deliveries where id >= ? and id < ? order by id limit ?
