delete from locks where name = ? and token = ?
