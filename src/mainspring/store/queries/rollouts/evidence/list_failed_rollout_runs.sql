-- The first runs of a version that failed and count in a step.
select run from rollout_runs where rollout = ? and step = ? and version = ? and place is not null and outcome = {{failed}} order by place limit ?
