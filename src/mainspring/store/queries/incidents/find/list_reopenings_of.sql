-- When incidents of one automation were reopened; those that were part of another one at the time are omitted.
select incidents.id, incidents.kind, incidents.fingerprint, incidents.text, incident_moves.at
from incidents join incident_moves on incident_moves.incident = incidents.id
where incidents.automation = ?1 and incident_moves.move = {{reopen}} and incident_moves.at >= ?2 and incidents.parent is null
order by incident_moves.at
