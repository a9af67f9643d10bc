update runs set suspect = 0 where id = ? and claim = ? and +session = ?
