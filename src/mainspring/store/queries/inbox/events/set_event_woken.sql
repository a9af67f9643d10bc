update events set woken = ? where seq = ?
