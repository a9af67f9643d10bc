delete from inbox where seq = ? and run = ?
