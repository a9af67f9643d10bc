delete from worker_losses where run in (select value from json_each(?))
