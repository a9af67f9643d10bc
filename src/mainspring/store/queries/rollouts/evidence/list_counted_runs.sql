-- The runs of a step that count, in their order, after a place.
select {{columns.rollout_runs.counted_run}} from rollout_runs
where rollout = ? and step = ? and place > ? order by place limit ?
