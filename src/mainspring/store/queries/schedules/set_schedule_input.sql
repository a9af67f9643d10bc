update schedules set input = ?, key = ? where name = ?
