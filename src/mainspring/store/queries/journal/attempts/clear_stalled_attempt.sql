delete from stalled_attempts where run = ? and ident = ? and claim = ? and attempt = ? and session = ?
