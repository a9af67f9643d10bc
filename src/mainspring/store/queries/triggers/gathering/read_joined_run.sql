select delivery, counts from joined_runs where trigger = ? and per = ? and automation = ?
