delete from stalls where run = ? and ident = ? and claim = ? and attempt = ? and session = ?
