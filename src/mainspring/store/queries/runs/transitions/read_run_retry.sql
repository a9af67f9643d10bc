select {{columns.run_retries.run_retry}} from run_retries where run = ?
