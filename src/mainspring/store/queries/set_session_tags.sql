update sessions set tags = ? where id = ?
