update runs set superseded = ? where id = ?
