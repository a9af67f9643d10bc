select {{columns.rollouts.rollout}} from rollouts where automation = ? order by id desc limit 1
