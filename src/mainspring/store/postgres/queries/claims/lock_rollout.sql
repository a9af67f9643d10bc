-- Shared: a move of the rollout waits for the starts that are under way, and they do not wait for one another.
select {{columns.rollouts.rollout}} from rollouts where id = ? for share
