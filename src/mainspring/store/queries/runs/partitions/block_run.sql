update runs set blocked = 'partition' where seq = ?
