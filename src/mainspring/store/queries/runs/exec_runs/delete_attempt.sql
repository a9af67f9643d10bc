delete from attempts where run = ? and ident = ? and generation = ? and attempt = ?
