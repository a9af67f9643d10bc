select {{columns.rollouts.rollout}} from rollouts where automation = ? and state = {{rollout.finish}} order by id desc limit 1
