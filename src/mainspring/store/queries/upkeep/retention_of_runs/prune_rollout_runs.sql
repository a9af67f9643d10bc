-- A rollout that has not ended knows by its rows which keys count already.
delete from rollout_runs where run in (select value from json_each(?)) and rollout not in (select id from rollouts where state in {{active_rollouts}})
