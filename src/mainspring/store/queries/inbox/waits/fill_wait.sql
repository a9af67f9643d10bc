update waits set filled = ? where run = ? and ident = ?
