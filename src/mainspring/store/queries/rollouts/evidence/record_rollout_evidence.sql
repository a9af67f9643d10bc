update rollouts set evidence = ? where id = ? and step = ? and state in {{active_rollouts}}
