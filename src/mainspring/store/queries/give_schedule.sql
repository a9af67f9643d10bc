update schedules set input = ? where name = ?
