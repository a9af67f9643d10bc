insert into run_retries (run, policy, retries) values (?, ?, 0)
