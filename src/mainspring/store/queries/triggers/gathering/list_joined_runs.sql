select automation, run, state, counts, delivery, at from gathered where trigger = ? and per = ? order by automation
