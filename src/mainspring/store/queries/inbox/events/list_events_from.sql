select id, name, at from events where id >= ? and id < ? order by id desc limit ?
