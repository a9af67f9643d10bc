update runs set blocked = null, ready = 1 where id = ?
