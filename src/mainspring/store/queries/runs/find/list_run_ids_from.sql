select id from runs where id >= ? and id < ? order by id limit ?
