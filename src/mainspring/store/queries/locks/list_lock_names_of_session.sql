select name from locks where session = ?1 union select name from lock_waiters where session = ?1 order by 1
