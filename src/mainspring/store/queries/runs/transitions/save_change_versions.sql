update runs set versions = ? where id = ? and claim = ? and coalesce(session, 0) = ?
