select automation, run, state, counts, delivery, at from joined_runs where trigger = ? and per = ? order by automation
