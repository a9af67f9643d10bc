update runs set suspect = 0 where id = ? and claim = ? and coalesce(session, 0) = ?
