insert into rollouts {{insert.rollouts.new_rollout}}
