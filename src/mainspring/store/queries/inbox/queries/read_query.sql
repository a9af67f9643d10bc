select {{columns.run_queries.query_view}} from run_queries where id = ?
