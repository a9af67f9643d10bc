update run_retries set retries = 0, failure = null, failed_at = null where run = ?
