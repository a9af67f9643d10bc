update sessions set tags = ?, queues = ? where id = ?
