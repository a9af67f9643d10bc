select 1 from rollout_runs where rollout = ? and step = ? and key_hash = ? and place is not null limit 1
