update rollout_runs set outcome = :outcome, duration_ms = :duration_ms, place = :place, numbers = :numbers where run = :run and outcome is null
