select delivery, counts from gathered where trigger = ? and per = ? and automation = ?
