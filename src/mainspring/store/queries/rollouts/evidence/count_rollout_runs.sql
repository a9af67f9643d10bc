-- The runs of a rollout by step, version and outcome.
select step, version, outcome, count(*) from rollout_runs where rollout = ? group by step, version, outcome order by step, version, outcome
