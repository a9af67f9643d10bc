-- When a person last resolved the incident of each subject of these kinds (a list as JSON).
select incidents.automation, incidents.kind, incidents.fingerprint, max(incident_moves.at)
from incidents join incident_moves on incident_moves.incident = incidents.id
where incidents.kind in (select value from json_each(?1)) and incident_moves.move = {{resolve}} and incident_moves.by is not null
group by incidents.automation, incidents.kind, incidents.fingerprint
