delete from locks where session = ?
