select 1 from runs where id = ? and claim = ? and coalesce(session, 0) = ?
