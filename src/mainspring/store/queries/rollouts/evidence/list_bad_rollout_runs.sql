-- The first runs of a version that count in a step with one outcome.
select run from rollout_runs where rollout = ? and step = ? and version = ? and place is not null and outcome = ? order by place limit ?
