update waits set name = :heir where kind = 'run' and filled = 0 and name = :run
