update run_retries set retries = retries + 1, failure = ?, failed_at = ? where run = ?
