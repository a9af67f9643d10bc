update rollouts set state = :state, step = :step, step_at = :step_at, ended_at = :ended_at, reason = :reason where id = :id
