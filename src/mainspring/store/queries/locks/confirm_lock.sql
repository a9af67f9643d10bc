update locks set received = 1 where name = ? and slot = ?
