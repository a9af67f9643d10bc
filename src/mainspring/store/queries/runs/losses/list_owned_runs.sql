select id from runs where session = ? order by id
