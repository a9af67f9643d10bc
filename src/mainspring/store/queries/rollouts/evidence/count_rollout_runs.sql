-- The runs of a rollout by step, version and outcome.
select step, version, outcome, count(*) as number from rollout_runs where rollout = ? group by step, version, outcome order by step, version, outcome
