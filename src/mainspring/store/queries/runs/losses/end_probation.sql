update runs set suspect = 0 where id = ? and suspect = 1 and session is null and finished_at is null
