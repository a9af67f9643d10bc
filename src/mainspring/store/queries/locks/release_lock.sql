delete from locks where name = ? and token = ? returning acquired_at
