update rollout_runs set outcome = ?, took_ms = ?, place = ? where run = ? and outcome is null
