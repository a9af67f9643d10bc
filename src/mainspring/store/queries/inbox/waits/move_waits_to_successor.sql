update waits set name = :successor where kind = 'run' and filled = 0 and name = :run
