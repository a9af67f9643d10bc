update sessions set instance = ? where id = ?
