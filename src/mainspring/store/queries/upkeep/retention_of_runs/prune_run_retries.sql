delete from run_retries where run in (select value from json_each(?))
