select 1 from journal where run = ? and rank = ? and claim = ? and ident = ?
