delete from locks where name = ? and owner = ? and session = ?
