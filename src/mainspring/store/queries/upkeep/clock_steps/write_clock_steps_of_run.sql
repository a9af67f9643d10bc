update runs set clock_steps = ? where id = ?
