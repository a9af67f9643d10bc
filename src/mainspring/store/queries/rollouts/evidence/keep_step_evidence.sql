-- The evidence of the step that ends now.
insert into rollout_steps (rollout, step, ended_at, evidence) select id, step, :now, evidence from rollouts where id = :rollout
