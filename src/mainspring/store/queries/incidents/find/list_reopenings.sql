select incidents.automation, incidents.kind, incidents.fingerprint, incident_moves.at
from incident_moves join incidents on incidents.id = incident_moves.incident
where incident_moves.at >= ? and incident_moves.move = {{reopen}} and incidents.parent is null
order by incident_moves.seq
