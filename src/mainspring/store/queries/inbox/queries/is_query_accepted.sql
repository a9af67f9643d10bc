select 1 from run_queries where id = ? and session = ?
