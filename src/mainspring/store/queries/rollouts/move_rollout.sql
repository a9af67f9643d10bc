update rollouts set state = :state, step = :step, step_at = :step_at, ended_at = :ended_at, reason = :reason, evidence = case when step = :step then evidence end where id = :id
