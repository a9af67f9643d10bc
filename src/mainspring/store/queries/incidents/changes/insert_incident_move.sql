insert into incident_moves (incident, move, at, by, note) values (?, ?, ?, ?, ?)
