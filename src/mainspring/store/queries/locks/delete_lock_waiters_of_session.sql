delete from lock_waiters where session = ?
