-- The moves of incidents, newest first; incidents that are part of another one are omitted.
select incident_moves.incident, incident_moves.move, incident_moves.at, incident_moves.by, incident_moves.note
from incident_moves join incidents on incidents.id = incident_moves.incident
where incident_moves.at >= ?1 and incidents.parent is null
order by incident_moves.at desc, incident_moves.seq desc limit ?2
