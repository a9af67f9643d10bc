update runs set blocked = null where id = ?
