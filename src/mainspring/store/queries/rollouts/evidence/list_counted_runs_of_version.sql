-- The first runs of a version that count in a step.
select {{columns.rollout_runs.counted_run}} from rollout_runs
where rollout = ? and step = ? and version = ? and place is not null order by place limit ?
