delete from locks where session = ? returning name, acquired_at
