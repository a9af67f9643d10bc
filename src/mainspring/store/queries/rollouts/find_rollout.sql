select {{columns.rollouts.rollout}} from rollouts where id = ?
