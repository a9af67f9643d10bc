select max(place) from rollout_runs where rollout = ? and step = ? and place is not null
