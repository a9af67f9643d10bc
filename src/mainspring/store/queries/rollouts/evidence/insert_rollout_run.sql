insert into rollout_runs {{insert.rollout_runs.new_rollout_run}} on conflict (run) do nothing
