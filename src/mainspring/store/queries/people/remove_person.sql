delete from people where name = ?
