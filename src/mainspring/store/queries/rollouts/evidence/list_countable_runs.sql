-- The runs of a rollout that count now: their age after the start is reached, or they ended before they started. In the order of starts.
-- `settled_at` = since when a run is in its state, if that is an end or waits for a person. A run that was deleted has no state.
select {{columns.rollout_runs.countable_run}}
from rollout_runs left join runs on runs.id = rollout_runs.run
where rollout_runs.rollout = :rollout and rollout_runs.outcome is null
  and (runs.id is null or runs.started_at <= :started_before or (runs.started_at is null and runs.finished_at is not null))
order by runs.started_at, rollout_runs.run limit :limit
