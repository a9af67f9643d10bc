-- Runs that a rollout assigned, and that have another version now.
select count(*) from rollout_runs join runs on runs.id = rollout_runs.run
where rollout_runs.rollout = ? and runs.version <> rollout_runs.version
