update sessions set blocked = ? where id = ?
