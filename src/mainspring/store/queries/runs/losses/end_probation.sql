update runs set probation = 0 where id = ? and probation = 1 and session is null and finished_at is null
