select incident, move, at, by, note from incident_moves where incident = ? order by seq desc limit ?
