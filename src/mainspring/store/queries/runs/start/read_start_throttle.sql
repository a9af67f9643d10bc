select starts from start_throttles where automation = ? and key = ?
