delete from lock_waiters where name = ? and ticket = ?
