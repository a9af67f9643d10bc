update run_queries set answered_at = :now, result = :result, failure = :failure where id = :id and answered_at is null
