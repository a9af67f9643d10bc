insert into run_retries (run, policy, retries) select :successor, policy, 0 from run_retries where run = :run
