select {{columns.rollout_steps.past_step}} from rollout_steps where rollout = ? order by step
