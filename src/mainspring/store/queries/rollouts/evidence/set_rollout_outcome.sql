update rollout_runs set outcome = ?, duration_ms = ?, place = ? where run = ? and outcome is null
