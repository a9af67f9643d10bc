select ident from inbox where seq = ? and run = ?
