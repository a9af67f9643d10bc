update rollouts set state = {{rollout.pause}}, reason = ? where state = {{rollout.resume}}
